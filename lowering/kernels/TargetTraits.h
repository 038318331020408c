// What the kernels phase must know of the target: a row of a table, found by the module's target attribute.
#pragma once

#include "mlir/IR/Operation.h"

namespace hb {

/// Of a module: the target that its kernels are formed for, as `--target` spells it ("x86-64" when it is missing).
inline constexpr llvm::StringLiteral kTargetAttribute = "nn.target";

struct TargetTraits {
  llvm::StringLiteral prefix; ///< of the target's name
  bool winograd;              ///< its emitter has the Winograd family, and the family pays
  bool rowPrologues;          ///< a contraction's task may prepare whole rows (norms) before it multiplies
};

/// The traits of the target that the module around `op` is compiled for.
const TargetTraits &targetTraits(mlir::Operation *op);

} // namespace hb
