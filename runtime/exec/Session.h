// An open module with everything its entries share: device, code, weights.
#pragma once

#include "runtime/device/OpenDevice.h"
#include "runtime/exec/Executor.h"
#include "runtime/formats/Safetensors.h"

#include <map>
#include <memory>
#include <string>

namespace hb {

struct SessionOptions {
  std::string weights; ///< where the checkpoint lies now; empty: where it was at compile time
  int threads = 0;     ///< 0: as many as the process may use
  PackCacheOptions cache = {}; ///< off unless asked for
  std::string device = "cpu"; ///< "cpu", "cuda", "cuda:1", "cuda:sim"
};

/// Owns a Module and runs its entries. Not for several threads at once.
class Session {
public:
  /// HB0904 – HB0906 for the device, HB0401 – HB0408 for the module, HB0210 – HB0233 for the checkpoint.
  Session(const std::string &path, const SessionOptions &options);

  const Module &module() const { return module_; }
  const Device &device() const { return *device_; }
  const CodeVariant &variant() const { return code_->variant(); }
  WeightStore &weights() { return *weights_; }
  const DeviceWeights &deviceWeights() const { return *deviceWeights_; }
  /// Of the processor: for packing, and for kernels where the processor is the device.
  int threads() const { return threads_; }

  /// The executor of an entry, made (weights packed, arena allocated) on first use. HB0501.
  Executor &executor(const std::string &entry);
  /// Frees the arena of an entry that is not needed any more.
  void release(const std::string &entry) { executors_.erase(entry); }

private:
  int threads_;
  std::unique_ptr<Device> device_;
  Module module_;
  std::unique_ptr<DeviceCode> code_;
  std::unique_ptr<WeightStore> weights_;
  std::unique_ptr<DeviceWeights> deviceWeights_;
  std::map<std::string, std::unique_ptr<Executor>> executors_;
};

/// The inputs of a program taken from a safetensors file, checked (HB0502 – HB0505, HB0510) before anything is allocated for
/// the run, and storage for its outputs.
class ProgramTensors {
public:
  /// Inputs with a default hold it from the start.
  explicit ProgramTensors(const Program &program);

  /// Reads and checks every input of `file`; F16 and BF16 are widened to F32.
  void load(const SafetensorsFile &file);
  /// Uses the caller's bytes for one input (same checks on ids); `name` as in the program.
  void set(const std::string &name, const void *data, uint64_t bytes);
  void allocateOutputs();
  void bind(Executor &executor) const;
  /// The outputs, in the program's order.
  std::vector<TensorView> outputs() const;
  /// One output's elements. HB0999 when there is none of that name.
  const float *output(const std::string &name) const;

private:
  size_t inputIndex(const std::string &name) const;
  void checkRange(const TensorSpec &spec, const void *data, const std::string &where) const;

  const Program &program_;
  std::map<std::string, AlignedBuffer> inputs_;
  std::vector<AlignedBuffer> outputs_;
};

} // namespace hb
