#include "runtime/exec/Executor.h"

#include "runtime/abi/kernel.h"
#include "runtime/base/Error.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hb {
namespace {

constexpr uint64_t kTensorAlignment = 256; // of a CUDA allocation: vector loads never need more

} // namespace

Executor::Executor(const Module &module, const Program &program, Device &device, DeviceCode &code, DeviceWeights &weights)
    : module_(module), program_(program), device_(device), code_(code), weights_(weights) {
  const std::string where = module.path() + ": " + program.name;
  if (!device.sharesHostMemory())
    planTransfers();
  // Memory comes first: a program that cannot fit says so before minutes are spent on packing.
  device.requireFree({{"arena", program.arenaBytes}, {"weights and constants", weights.missingBytes(program)}, {"inputs and outputs", ioBytes_}}, where);
  arena_ = device.allocate(program.arenaBytes, where, "the plan's arena");
  if (ioBytes_) {
    io_ = device.allocate(ioBytes_, where, "inputs and outputs");
    device.restrict(io_, pieces_);
  }
  weights.prepare(program);
  placed_.name = program.name;
  placed_.commands = place(program.commands);
  hooks_.tripCount = [this](const PlacedCommand &repeat) { return tripCount(repeat); };
}

void Executor::planTransfers() {
  auto add = [&](const std::vector<TensorSpec> &specs, bool writable) {
    for (const TensorSpec &spec : specs) {
      pieces_.push_back({ioBytes_, spec.byteSize(), writable});
      ioBytes_ = (ioBytes_ + spec.byteSize() + HB_READABLE_TAIL_BYTES + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
    }
  };
  add(program_.inputs, false);
  add(program_.outputs, true);
}

std::vector<PlacedCommand> Executor::place(const std::vector<Command> &commands) {
  std::vector<PlacedCommand> out;
  for (const Command &command : commands) {
    PlacedCommand placed{&command, static_cast<uint32_t>(bindings_.size()), static_cast<uint32_t>(times_.size()), {}};
    bindings_.insert(bindings_.end(), command.bindings.begin(), command.bindings.end());
    if (command.kind == Command::Kind::Launch)
      times_.push_back({command.kernel});
    placed.body = place(command.body);
    out.push_back(std::move(placed));
  }
  return out;
}

std::byte *Executor::resolve(const Binding &binding) const {
  switch (binding.kind) {
  case Binding::Kind::Arena:
    return arena_.address() + binding.value;
  case Binding::Kind::Weight:
    return weights_.address(binding.value);
  case Binding::Kind::Constant:
    return weights_.constant(binding.value);
  case Binding::Kind::Input:
    return io_.address() ? io_.address() + pieces_[binding.value].offset : static_cast<std::byte *>(const_cast<void *>(inputs_[binding.value]));
  case Binding::Kind::Output:
    return io_.address() ? io_.address() + pieces_[program_.inputs.size() + binding.value].offset : static_cast<std::byte *>(outputs_[binding.value]);
  }
  return nullptr;
}

void Executor::resolveAll() {
  placed_.addresses.clear();
  for (const Binding &binding : bindings_)
    placed_.addresses.push_back(resolve(binding));
}

void Executor::bind(const std::vector<const void *> &inputs, const std::vector<void *> &outputs) {
  inputs_ = inputs;
  outputs_ = outputs;
  if (device_.sharesHostMemory() || !recording_)
    resolveAll();
  if (!recording_)
    recording_ = code_.record(placed_);
}

void Executor::writeInputs() {
  weights_.refresh();
  if (!io_.address())
    return;
  for (size_t i = 0; i < program_.inputs.size(); ++i)
    device_.write(io_.address() + pieces_[i].offset, inputs_[i], pieces_[i].bytes);
}

bool Executor::run() {
  writeInputs();
  if (!recording_->run(hooks_))
    return false;
  if (io_.address())
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      const MemoryPiece &piece = pieces_[program_.inputs.size() + i];
      device_.read(outputs_[i], io_.address() + piece.offset, piece.bytes);
    }
  return true;
}

int64_t Executor::tripCount(const PlacedCommand &repeat) const {
  const Binding &binding = repeat.command->bindings[1];
  int64_t count = 0;
  if (binding.kind == Binding::Kind::Input) // the host's copy: nothing has to be waited for
    std::memcpy(&count, inputs_[binding.value], sizeof count);
  else
    device_.read(&count, placed_.addresses[repeat.firstAddress + 1], sizeof count);
  if (count < 0 || count > repeat.command->maxTripCount)
    throw Error(508, program_.name, "0 to " + std::to_string(repeat.command->maxTripCount) + " iterations", std::to_string(count), "choose a number of steps in that range");
  return count;
}

std::string Executor::firstNonFinite() {
  if (arena_.size())
    device_.zero(arena_.address(), arena_.size());
  starts_ = {arena_.size()};
  for (const Binding &binding : bindings_)
    if (binding.kind == Binding::Kind::Arena)
      starts_.push_back(binding.value);
  std::sort(starts_.begin(), starts_.end());
  found_.clear();
  RunHooks looking;
  looking.tripCount = hooks_.tripCount;
  looking.afterLaunch = [this](const PlacedCommand &launch) { return isFinite(launch); };
  writeInputs();
  recording_->run(looking);
  looked_ = {};
  return std::move(found_);
}

bool Executor::isFinite(const PlacedCommand &launch) {
  for (const Binding &binding : launch.command->bindings) {
    if (binding.kind != Binding::Kind::Arena)
      continue;
    uint64_t end = *std::upper_bound(starts_.begin(), starts_.end(), binding.value);
    size_t count = (end - binding.value) / sizeof(float);
    auto *values = reinterpret_cast<const float *>(arena_.address() + binding.value);
    if (!device_.sharesHostMemory()) {
      looked_.resize(count);
      device_.read(looked_.data(), arena_.address() + binding.value, count * sizeof(float));
      values = looked_.data();
    }
    if (std::all_of(values, values + count, [](float v) { return std::isfinite(v); }))
      continue;
    const KernelInfo &kernel = module_.kernels[launch.command->kernel];
    found_ = kernel.symbol + (kernel.source.empty() ? "" : " (" + kernel.source + ")");
    // Equal layers share a kernel, which names only the first of them: a weight tells which one this is.
    for (const Binding &weight : launch.command->bindings)
      if (weight.kind == Binding::Kind::Weight) {
        const WeightSource &source = module_.weights[weight.value].sources.front();
        found_ += " with " + source.scope + "." + source.key;
        break;
      }
    return false;
  }
  return true;
}

} // namespace hb
