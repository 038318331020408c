// The emit phase for x86-64: every kernel.def of a module becomes one exported function of one shared object per variant.
#pragma once

#include "lowering/emit/CodeBlob.h"
#include "lowering/emit/x86/Compile.h"
#include "lowering/emit/x86/Target.h"
#include "mlir/IR/BuiltinOps.h"

#include <vector>

namespace hb {

/// Compiles all kernels for all variants (two worker threads, a context each), appends one CodeBlob per variant and sets
/// `grid` and `scratch_bytes` on every kernel.def; both are checked to be equal for all variants (scratch: the maximum is
/// taken), and `flops_executed`. Diagnostics go to the kernel's location. `report` may be null.
mlir::LogicalResult emitX86(mlir::ModuleOp module, llvm::ArrayRef<x86::X86Target> targets, std::vector<CodeBlob> &blobs, EmitReport *report);

} // namespace hb
