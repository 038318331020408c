// From a built kernel to PTX, in this process: MLIR passes, LLVM IR, optimisation, the NVPTX back end.
#pragma once

#include "lowering/emit/EmitReport.h"
#include "lowering/emit/nvvm/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"

#include <string>

namespace hb::nvvm {

/// Loads the dialects kernels are built from and their translations into a context; single-threaded.
void prepareContext(mlir::MLIRContext &context);

/// Lowers `module` (llvm, nvvm, scf, arith, math, vector dialects) to PTX text. On failure returns false with a message in `error`. Not
/// thread-safe per context; contexts are independent of each other.
bool compileToPtx(mlir::ModuleOp module, const CudaTarget &target, std::string &ptx, std::string &error, CompileTimes &times);

/// Joins the texts of single kernels: one header, one declaration of the dynamic shared memory. False with a message when a text holds
/// something else outside its kernel.
bool joinPtx(const std::vector<std::string> &texts, std::string &joined, std::string &error);

} // namespace hb::nvvm
