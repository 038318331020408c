#include "runtime/device/cpu/CpuRecording.h"

#include <chrono>
#include <cstring>
#include <ctime>

namespace hb {
namespace {

double threadCpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

} // namespace

CpuRecording::CpuRecording(const PlacedProgram &program, const Module &module, const CodeLibrary &library, ThreadPool &pool) : program_(program), module_(module), library_(library), pool_(pool) {
  reserve(program.commands);
}

void CpuRecording::reserve(const std::vector<PlacedCommand> &commands) {
  for (const PlacedCommand &placed : commands) {
    if (placed.command->kind == Command::Kind::Launch)
      pool_.reserveScratch(module_.kernels[placed.command->kernel].scratchBytes);
    reserve(placed.body);
  }
}

bool CpuRecording::run(const RunHooks &hooks) { return execute(program_.commands, hooks, 0); }

bool CpuRecording::launch(const PlacedCommand &placed, void *const *addresses, const RunHooks &hooks) {
  hb_kernel_fn kernel = library_.kernel(placed.command->kernel);
  int64_t grid = module_.kernels[placed.command->kernel].grid;
  if (hooks.times) {
    double cpuStart = threadCpuSeconds();
    auto start = std::chrono::steady_clock::now();
    pool_.run(kernel, addresses, grid);
    double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    (*hooks.times)[placed.launch].add(elapsed, threadCpuSeconds() - cpuStart);
  } else {
    pool_.run(kernel, addresses, grid);
  }
  return !hooks.afterLaunch || hooks.afterLaunch(placed);
}

bool CpuRecording::execute(const std::vector<PlacedCommand> &commands, const RunHooks &hooks, int depth) {
  for (const PlacedCommand &placed : commands) {
    const Command &command = *placed.command;
    std::byte *const *addresses = program_.addresses.data() + placed.firstAddress;
    switch (command.kind) {
    case Command::Kind::Launch:
      if (!launch(placed, reinterpret_cast<void *const *>(addresses), hooks))
        return false;
      break;
    case Command::Kind::Copy:
      std::memmove(addresses[1], addresses[0], command.bytes);
      break;
    case Command::Kind::Repeat: {
      int64_t count = command.bindings.size() > 1 ? hooks.tripCount(placed) : command.maxTripCount;
      for (int64_t i = 0; i < count; ++i) {
        if (depth == 0 && hooks.onStep && !hooks.onStep(i, count))
          return false;
        std::memcpy(addresses[0], &i, sizeof i);
        if (!execute(placed.body, hooks, depth + 1))
          return false;
      }
      break;
    }
    }
  }
  return true;
}

} // namespace hb
