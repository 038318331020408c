// Compiles one kernel.def for CUDA and runs it in the PTX simulator, with all of its checks on.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace hb::ptx {
class Code;
}

namespace hb::test {

class SimulatedKernel {
public:
  /// Compiles the module's only kernel.def; false after a diagnostic.
  bool compile(mlir::ModuleOp module);

  /// Runs the grid on copies of the buffers that are aligned as the runtime aligns them, exactly as long as the tensors reach and surrounded
  /// by bytes that read as NaN; results are copied back. Buffers that are one stay one. Throws std::runtime_error on a finding of the simulator.
  void run(const std::vector<void *> &buffers);

  /// Replaces text of the PTX everywhere and says how often: for tests that a mistake is found.
  int replace(const std::string &from, const std::string &to);

  std::string ptx;
  int64_t grid = 0, block = 0, sharedBytes = 0;

private:
  std::shared_ptr<const ptx::Code> code_;
  std::string symbol_;
  std::vector<size_t> bytes_; ///< of each tensor, operands first
  size_t results_ = 0;
  unsigned runs_ = 0;
};

} // namespace hb::test
