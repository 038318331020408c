#include "runtime/exec/MemoryPlan.h"

#include "runtime/params/BoundWeights.h"

#include <algorithm>
#include <cstdio>

namespace hb {
namespace {

uint64_t tensorBytes(const Program &program) {
  uint64_t bytes = 0;
  for (const auto *specs : {&program.inputs, &program.outputs})
    for (const TensorSpec &spec : *specs)
      bytes += spec.byteSize();
  return bytes;
}

uint64_t scratchBytes(const Module &module, const std::vector<Command> &commands) {
  uint64_t most = 0;
  for (const Command &command : commands)
    most = std::max({most, command.kind == Command::Kind::Launch ? module.kernels[command.kernel].scratchBytes : 0, scratchBytes(module, command.body)});
  return most;
}

} // namespace

uint64_t MemoryPlan::total() const {
  uint64_t bytes = 0;
  for (const MemoryLine &line : lines)
    bytes += line.bytes;
  return bytes;
}

std::string MemoryPlan::text() const {
  std::string out;
  for (const MemoryLine &line : lines) {
    char number[32];
    std::snprintf(number, sizeof number, " %.1f MiB", static_cast<double>(line.bytes) / (1 << 20));
    if (line.bytes)
      out += (out.empty() ? "" : ", ") + line.what + number;
  }
  return out;
}

MemoryPlan planMemory(const Session &session, uint64_t process, const Program &program, const std::vector<const Program *> &beside) {
  const Module &module = session.module();
  std::set<size_t> bound = boundWeights(program);
  uint64_t arena = 0, tensors = 0, scratch = scratchBytes(module, program.commands), packed = 0, inPlace = 0;
  for (const Program *other : beside) {
    arena = std::max(arena, other->arenaBytes);
    tensors = std::max(tensors, tensorBytes(*other));
    scratch = std::max(scratch, scratchBytes(module, other->commands));
    bound.merge(boundWeights(*other));
  }
  for (size_t index : bound)
    (usedInPlace(module.weights[index]) ? inPlace : packed) += packedSize(module.weights[index]);
  MemoryPlan plan{{{"process", process}}};
  // What kernels read and write on a device with memory of its own is not the process's.
  if (session.device().sharesHostMemory())
    plan.lines.insert(plan.lines.end(), {{"machine code", session.variant().size},
                                         {"constants", module.constants().size()},
                                         {"arena", program.arenaBytes},
                                         {"encoders' arena", arena},
                                         {"kernels' scratch", scratch * static_cast<uint64_t>(session.threads())}});
  plan.lines.insert(plan.lines.end(), {{"packed weights", packed}, {"weights read in place", inPlace}, {"inputs and outputs", tensorBytes(program) + tensors}});
  return plan;
}

} // namespace hb
