// Which results may take the place of an operand.
#pragma once

#include "dialects/kernel/Kernel.h"

namespace hb {

/// Pairs of operand and result numbers that may be one buffer: each element is read just before the element in its place is written.
llvm::SmallVector<std::pair<unsigned, unsigned>> inplacePairs(mlir::Operation *op);

} // namespace hb
