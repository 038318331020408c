// Arithmetic on axis permutations, and transposes that are only built where they do something.
#pragma once

#include "dialects/nn/Nn.h"

namespace hb {

using Permutation = llvm::SmallVector<int64_t>;

/// The permutation that undoes `p`.
Permutation inverse(llvm::ArrayRef<int64_t> p);
/// transpose(transpose(x, first), second) = transpose(x, composed(first, second)).
Permutation composed(llvm::ArrayRef<int64_t> first, llvm::ArrayRef<int64_t> second);
bool isIdentity(llvm::ArrayRef<int64_t> p);
/// Whether transposing `shape` by `p` leaves the elements where they are: the axes longer than 1 keep their order.
bool movesOnlyUnits(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> p);
/// `shape` reordered: result axis i is axis p[i].
llvm::SmallVector<int64_t> permuted(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> p);

/// `value` transposed by `p`: itself, a reshape, or a transpose (of the operand of a transpose that made `value`).
mlir::Value transposed(mlir::OpBuilder &builder, mlir::Location where, mlir::Value value, llvm::ArrayRef<int64_t> p);

/// [0, 2, 3, 1]: channels-first to channels-last; and back.
llvm::ArrayRef<int64_t> toLast();
llvm::ArrayRef<int64_t> toFirst();

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return mlir::cast<mlir::RankedTensorType>(value.getType()).getShape(); }
inline mlir::RankedTensorType withShape(mlir::Type type, llvm::ArrayRef<int64_t> shape) {
  return mlir::RankedTensorType::get(shape, mlir::cast<mlir::RankedTensorType>(type).getElementType());
}

} // namespace hb
