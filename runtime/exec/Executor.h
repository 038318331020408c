// Runs a program of a module: bindings resolved to pointers once, then launches in order.
#pragma once

#include "runtime/device/cpu/CodeLibrary.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "runtime/params/WeightStore.h"

#include <functional>
#include <string>
#include <vector>

namespace hb {

/// Time spent in one launch, added up over runs; for `hb-rt bench` and `--profile`.
struct LaunchTime {
  uint32_t kernel = 0;
  uint64_t count = 0;
  double seconds = 0, best = 1e30;       ///< elapsed
  double cpuSeconds = 0, bestCpu = 1e30; ///< of the calling thread: what the launch costs when others share the machine
};

/// A program made ready to run: its arena and its weights exist, every binding is a pointer. `run` allocates nothing.
class Executor {
public:
  /// Called before each iteration of the outermost loop (iteration, trip count); false stops the run.
  using StepCallback = std::function<bool(int64_t, int64_t)>;

  Executor(const Module &module, const Program &program, const CodeLibrary &code, WeightStore &weights, ThreadPool &pool);

  const Program &program() const { return program_; }
  /// `inputs[i]` and `outputs[i]` point at program().inputs[i].byteSize() bytes (and the readable tail); inputs are not written.
  void bind(const std::vector<const void *> &inputs, const std::vector<void *> &outputs);
  /// Returns false when the callback stopped it. HB0508 on a trip count out of range.
  bool run();

  /// Runs the program once more on a zeroed arena and looks at every launch's tensors afterwards: the first that leaves an infinity or no
  /// number behind, as "<kernel> (<source>)". Empty when none does. Slow: for the message of a run that failed. A tensor is looked at from its
  /// start to where the next one may begin, so a value deep inside a large one can be seen a few launches late.
  std::string firstNonFinite();

  void onStep(StepCallback callback) { callback_ = std::move(callback); }
  /// Switches timing of single launches on or off.
  void profile(bool on) { profiling_ = on; }
  const std::vector<LaunchTime> &launchTimes() const { return times_; }

private:
  struct Step {
    const Command *command;
    uint32_t firstPointer;
    uint32_t time;
    std::vector<Step> body;
  };

  std::vector<Step> flatten(const std::vector<Command> &commands);
  void *resolve(const Binding &binding) const;
  bool execute(const std::vector<Step> &steps, int depth);
  void lookForNonFinite(const Step &step);

  const Module &module_;
  const Program &program_;
  const CodeLibrary &code_;
  WeightStore &weights_;
  ThreadPool &pool_;
  AlignedBuffer arena_;
  std::vector<Step> steps_;
  std::vector<Binding> bindings_; ///< of all commands, one after the other
  std::vector<void *> pointers_;
  std::vector<const void *> inputs_;
  std::vector<void *> outputs_;
  std::vector<LaunchTime> times_;
  StepCallback callback_;
  bool profiling_ = false, looking_ = false;
  std::vector<uint64_t> starts_; ///< where tensors begin in the arena, while looking
  std::string found_;
};

} // namespace hb
