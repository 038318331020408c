// `--math fast`: which programs ask for it, and which kernels make use of it.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace hb {

/// Attribute of a module compiled with `--math fast`. It is part of the program, so that a dump between two phases still knows.
inline constexpr llvm::StringLiteral kMathAttribute = "nn.math";

/// Whether the module asks for it; a null module does not.
bool allowsFastMath(mlir::ModuleOp module);

/// How a family op rounds more coarsely than `--math strict` would, in words for reports; empty when it does not.
llvm::StringRef fastMathUse(mlir::Operation *op);

} // namespace hb
