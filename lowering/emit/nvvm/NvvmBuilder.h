// The device of gpu::KernelBuilder for NVIDIA: LLVM functions with the NVVM dialect's thread numbers, barriers and shuffles.
#pragma once

#include "lowering/emit/gpu/KernelBuilder.h"
#include "lowering/emit/nvvm/Target.h"
#include "mlir/IR/BuiltinOps.h"

namespace hb::nvvm {

/// Address spaces of NVPTX.
constexpr unsigned kGlobalSpace = 1, kSharedSpace = 3;

class NvvmBuilder : public gpu::KernelBuilder {
public:
  /// Starts the kernel function for `def` inside `module` (in def's context).
  NvvmBuilder(mlir::ModuleOp module, kernel::DefOp def, const CudaTarget &target);
  /// Ends the function and records the launch's size in it.
  void finish(const gpu::Launch &launch);

  const CudaTarget &target;

  mlir::Value block() override;
  mlir::Value thread() override;
  void barrier() override;
  mlir::Value shuffleXor(mlir::Value value, int mask) override;

protected:
  mlir::Value sharedBase() override;

private:
  mlir::Value asIndex(mlir::Value i32);
  mlir::ModuleOp module_;
  mlir::LLVM::LLVMFuncOp function_;
  mlir::Value block_, thread_;
};

} // namespace hb::nvvm
