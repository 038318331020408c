#include "lowering/simplify/Permutation.h"

using namespace mlir;

namespace hb {

Permutation inverse(ArrayRef<int64_t> p) {
  Permutation result(p.size());
  for (auto [i, axis] : llvm::enumerate(p))
    result[axis] = static_cast<int64_t>(i);
  return result;
}

SmallVector<int64_t> permuted(ArrayRef<int64_t> shape, ArrayRef<int64_t> p) {
  SmallVector<int64_t> result;
  for (int64_t axis : p)
    result.push_back(shape[axis]);
  return result;
}

Permutation composed(ArrayRef<int64_t> first, ArrayRef<int64_t> second) { return permuted(first, second); }

bool isIdentity(ArrayRef<int64_t> p) {
  for (auto [i, axis] : llvm::enumerate(p))
    if (static_cast<int64_t>(i) != axis)
      return false;
  return true;
}

bool movesOnlyUnits(ArrayRef<int64_t> shape, ArrayRef<int64_t> p) {
  int64_t previous = -1;
  for (int64_t axis : p) {
    if (shape[axis] == 1)
      continue;
    if (axis < previous)
      return false;
    previous = axis;
  }
  return true;
}

Value transposed(OpBuilder &builder, Location where, Value value, ArrayRef<int64_t> p) {
  if (isIdentity(p))
    return value;
  if (auto inner = value.getDefiningOp<nn::TransposeOp>())
    return transposed(builder, where, inner.getX(), composed(inner.getPermutation(), p));
  ArrayRef<int64_t> shape = shapeOf(value);
  RankedTensorType type = withShape(value.getType(), permuted(shape, p));
  if (movesOnlyUnits(shape, p))
    return nn::ReshapeOp::create(builder, where, type, value);
  return nn::TransposeOp::create(builder, where, type, value, p);
}

ArrayRef<int64_t> toLast() {
  static const int64_t p[] = {0, 2, 3, 1};
  return p;
}

ArrayRef<int64_t> toFirst() {
  static const int64_t p[] = {0, 3, 1, 2};
  return p;
}

} // namespace hb
