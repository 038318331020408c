#include "runtime/exec/Executor.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <chrono>
#include <cmath>
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

Executor::Executor(const Module &module, const Program &program, const CodeLibrary &code, WeightStore &weights, ThreadPool &pool)
    : module_(module), program_(program), code_(code), weights_(weights), pool_(pool) {
  // The arena comes first: a program that cannot fit says so before minutes are spent on packing.
  arena_ = AlignedBuffer(program.arenaBytes, module.path() + ": " + program.name, "the plan's arena");
  weights_.prepare(program);
  steps_ = flatten(program.commands);
}

std::vector<Executor::Step> Executor::flatten(const std::vector<Command> &commands) {
  std::vector<Step> steps;
  for (const Command &command : commands) {
    Step step{&command, static_cast<uint32_t>(bindings_.size()), static_cast<uint32_t>(times_.size()), {}};
    bindings_.insert(bindings_.end(), command.bindings.begin(), command.bindings.end());
    if (command.kind == Command::Kind::Launch) {
      times_.push_back({command.kernel});
      pool_.reserveScratch(module_.kernels[command.kernel].scratchBytes);
    }
    step.body = flatten(command.body);
    steps.push_back(std::move(step));
  }
  return steps;
}

void *Executor::resolve(const Binding &binding) const {
  switch (binding.kind) {
  case Binding::Kind::Arena:
    return arena_.data() + binding.value;
  case Binding::Kind::Weight:
    return const_cast<std::byte *>(weights_.get(binding.value));
  case Binding::Kind::Constant:
    return const_cast<std::byte *>(module_.constants().data() + binding.value);
  case Binding::Kind::Input:
    return const_cast<void *>(inputs_[binding.value]);
  case Binding::Kind::Output:
    return outputs_[binding.value];
  }
  return nullptr;
}

void Executor::bind(const std::vector<const void *> &inputs, const std::vector<void *> &outputs) {
  inputs_ = inputs;
  outputs_ = outputs;
  pointers_.clear();
  for (const Binding &binding : bindings_)
    pointers_.push_back(resolve(binding));
}

bool Executor::run() { return execute(steps_, 0); }

bool Executor::execute(const std::vector<Step> &steps, int depth) {
  for (const Step &step : steps) {
    const Command &command = *step.command;
    void *const *pointers = pointers_.data() + step.firstPointer;
    switch (command.kind) {
    case Command::Kind::Launch: {
      hb_kernel_fn kernel = code_.kernel(command.kernel);
      int64_t grid = module_.kernels[command.kernel].grid;
      if (!profiling_ || looking_) {
        pool_.run(kernel, pointers, grid);
        if (looking_)
          lookForNonFinite(step);
        if (!found_.empty())
          return false;
        break;
      }
      double cpuStart = threadCpuSeconds();
      auto start = std::chrono::steady_clock::now();
      pool_.run(kernel, pointers, grid);
      double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      double cpu = threadCpuSeconds() - cpuStart;
      LaunchTime &time = times_[step.time];
      time.cpuSeconds += cpu;
      time.bestCpu = std::min(time.bestCpu, cpu);
      ++time.count;
      time.seconds += seconds;
      time.best = std::min(time.best, seconds);
      break;
    }
    case Command::Kind::Copy:
      std::memmove(pointers[1], pointers[0], command.bytes);
      break;
    case Command::Kind::Repeat: {
      int64_t count = command.maxTripCount;
      if (command.bindings.size() > 1)
        std::memcpy(&count, pointers[1], sizeof count);
      if (count < 0 || count > command.maxTripCount)
        throw Error(508, program_.name, "0 to " + std::to_string(command.maxTripCount) + " iterations", std::to_string(count), "choose a number of steps in that range");
      for (int64_t i = 0; i < count; ++i) {
        if (depth == 0 && callback_ && !callback_(i, count))
          return false;
        std::memcpy(pointers[0], &i, sizeof i);
        if (!execute(step.body, depth + 1))
          return false;
      }
      break;
    }
    }
  }
  return true;
}

std::string Executor::firstNonFinite() {
  if (arena_)
    std::memset(arena_.data(), 0, arena_.size());
  starts_ = {arena_.size()};
  for (const Binding &binding : bindings_)
    if (binding.kind == Binding::Kind::Arena)
      starts_.push_back(binding.value);
  std::sort(starts_.begin(), starts_.end());
  found_.clear();
  looking_ = true;
  StepCallback callback = std::move(callback_);
  callback_ = nullptr;
  execute(steps_, 0);
  callback_ = std::move(callback);
  looking_ = false;
  return std::move(found_);
}

void Executor::lookForNonFinite(const Step &step) {
  for (const Binding &binding : step.command->bindings) {
    if (binding.kind != Binding::Kind::Arena)
      continue;
    uint64_t end = *std::upper_bound(starts_.begin(), starts_.end(), binding.value);
    auto *values = reinterpret_cast<const float *>(arena_.data() + binding.value);
    size_t count = (end - binding.value) / sizeof(float);
    if (std::all_of(values, values + count, [](float v) { return std::isfinite(v); }))
      continue;
    const KernelInfo &kernel = module_.kernels[step.command->kernel];
    found_ = kernel.symbol + (kernel.source.empty() ? "" : " (" + kernel.source + ")");
    // Equal layers share a kernel, which names only the first of them: a weight tells which one this is.
    for (const Binding &weight : step.command->bindings)
      if (weight.kind == Binding::Kind::Weight) {
        const WeightSource &source = module_.weights[weight.value].sources.front();
        found_ += " with " + source.scope + "." + source.key;
        break;
      }
    return;
  }
}

} // namespace hb
