// Runs a program of a module on a device: bindings resolved to addresses once, the rest is the device's recording.
#pragma once

#include "runtime/device/Device.h"
#include "runtime/exec/DeviceWeights.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hb {

/// A program made ready to run: its arena and its weights are on the device, every binding is an address. On the processor `run` allocates nothing.
class Executor {
public:
  /// Called before each iteration of the outermost loop (iteration, trip count); false stops the run.
  using StepCallback = std::function<bool(int64_t, int64_t)>;

  Executor(const Module &module, const Program &program, Device &device, DeviceCode &code, DeviceWeights &weights);

  const Program &program() const { return program_; }
  /// `inputs[i]` and `outputs[i]` point at program().inputs[i].byteSize() bytes (and the readable tail); inputs are not written.
  void bind(const std::vector<const void *> &inputs, const std::vector<void *> &outputs);
  /// Returns false when the callback stopped it. HB0508 on a trip count out of range.
  bool run();

  /// Runs the program once more on a zeroed arena and looks at every launch's tensors afterwards: the first that leaves an infinity or no
  /// number behind, as "<kernel> (<source>)". Empty when none does. Slow: for the message of a run that failed. A tensor is looked at from its
  /// start to where the next one may begin, so a value deep inside a large one can be seen a few launches late.
  std::string firstNonFinite();

  void onStep(StepCallback callback) { hooks_.onStep = std::move(callback); }
  /// Switches timing of single launches on or off.
  void profile(bool on) { hooks_.times = on ? &times_ : nullptr; }
  const std::vector<LaunchTime> &launchTimes() const { return times_; }
  /// Memory of the device that belongs to this program alone.
  uint64_t ownBytes() const { return arena_.size() + io_.size(); }

private:
  std::vector<PlacedCommand> place(const std::vector<Command> &commands);
  void planTransfers();
  std::byte *resolve(const Binding &binding) const;
  void resolveAll();
  void writeInputs();
  int64_t tripCount(const PlacedCommand &repeat) const;
  bool isFinite(const PlacedCommand &launch);

  const Module &module_;
  const Program &program_;
  Device &device_;
  DeviceCode &code_;
  DeviceWeights &weights_;
  DeviceMemory arena_;
  DeviceMemory io_; ///< inputs and outputs; empty where kernels use the caller's
  std::vector<MemoryPiece> pieces_; ///< of io_: the inputs, then the outputs
  uint64_t ioBytes_ = 0;
  PlacedProgram placed_;
  std::vector<Binding> bindings_; ///< of all commands, one after the other
  std::vector<const void *> inputs_;
  std::vector<void *> outputs_;
  std::vector<LaunchTime> times_;
  std::unique_ptr<Recording> recording_;
  RunHooks hooks_;
  std::vector<uint64_t> starts_; ///< where tensors begin in the arena, while looking for values that are not finite
  std::vector<float> looked_;
  std::string found_;
};

} // namespace hb
