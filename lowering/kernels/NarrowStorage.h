// `--dtype`: in which type a program's activations and weights are stored.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace hb {

/// Attributes of a module compiled with `--dtype bf16` or `f16`: the type, and the scopes of weights whose activations stay f32 all the same. They are
/// part of the program, so that a dump between two phases still knows.
inline constexpr llvm::StringLiteral kDtypeAttribute = "nn.dtype", kWideScopesAttribute = "nn.wide_scopes";

/// f32 (also of a null module), bf16 or f16.
llvm::StringRef storageDtype(mlir::ModuleOp module);

} // namespace hb
