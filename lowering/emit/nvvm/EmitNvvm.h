// The emit phase for CUDA: every kernel.def of a module becomes one entry of one PTX text.
#pragma once

#include "lowering/emit/CodeBlob.h"
#include "lowering/emit/EmitReport.h"
#include "lowering/emit/nvvm/Target.h"
#include "mlir/IR/BuiltinOps.h"

namespace hb {

/// Compiles all kernels (two worker threads, a context each), appends the PTX as a CodeBlob and sets `grid`, `block`, `shared_bytes` and
/// `scratch_bytes` (0) on every kernel.def. Diagnostics go to the kernel's location. `report` may be null.
mlir::LogicalResult emitNvvm(mlir::ModuleOp module, const nvvm::CudaTarget &target, std::vector<CodeBlob> &blobs, EmitReport *report);

} // namespace hb
