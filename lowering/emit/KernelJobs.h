// One kernel at a time on two threads, a context each: how every emitter goes through a module's kernels.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <string>
#include <vector>

namespace hb::emit {

/// The module's kernels as texts: contexts are not shared between threads.
std::vector<std::string> kernelTexts(mlir::ArrayRef<kernel::DefOp> defs);

/// Calls `run(number, context)` for 0 … count − 1, on two threads where the process may have them. `prepare` sets up each thread's context.
void forEachJob(size_t count, const std::function<void(mlir::MLIRContext &)> &prepare, const std::function<void(size_t, mlir::MLIRContext &)> &run);

/// A kernel's text read back, while alive: its op, and what goes wrong. Diagnostics of the context become `error`, which the main thread
/// reports at the kernel's own location.
class KernelSource {
public:
  KernelSource(mlir::MLIRContext &context, const std::string &text, std::string &error);

  /// False, with the reason in `error`, when there is no kernel.
  explicit operator bool() const { return static_cast<bool>(def); }
  mlir::Operation &op() { return def.getBody().front().front(); }
  /// Leaves what a diagnostic said, else this.
  void fail(const std::string &why);

  kernel::DefOp def;

private:
  std::string &error_;
  mlir::ScopedDiagnosticHandler handler_;
  mlir::OwningOpRef<mlir::ModuleOp> source_;
};

} // namespace hb::emit
