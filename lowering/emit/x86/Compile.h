// From a built kernel to machine code, in this process: MLIR passes, LLVM IR, a lean optimisation pipeline, object, link.
#pragma once

#include "lowering/emit/EmitReport.h"
#include "lowering/emit/x86/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"

#include <string>
#include <vector>

namespace hb::x86 {

/// Loads the dialects kernels are built from and their translations into a context; single-threaded.
void prepareContext(mlir::MLIRContext &context);

/// Lowers `module` (func, scf, arith, math, vector, llvm dialects) to a relocatable object. On failure returns false with
/// a message in `error`. Not thread-safe per context; contexts are independent of each other.
bool compileToObject(mlir::ModuleOp module, const X86Target &target, std::vector<char> &object, std::string &error, CompileTimes &times);

/// Links objects into one ELF shared object with lld inside this process (calls are serialised: lld keeps global state).
bool linkShared(const std::vector<std::vector<char>> &objects, std::vector<char> &shared, std::string &error);

} // namespace hb::x86
