// Verifiers of the ops that move elements about. The labels are those of the descriptions in NnOps.td.
#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

namespace {

/// C1 of the ops that only move elements: the element type stays.
LogicalResult expectSameElement(Operation *op, Value x) {
  if (elementOf(x) == elementOf(op->getResult(0)))
    return success();
  return violated(op, "C1", "a result of element type " + typeText(elementOf(x)), typeText(elementOf(op->getResult(0))));
}

/// Resize and pooling keep batch and channels (C2).
LogicalResult expectSamePicture(Operation *op, Value x, Layout layout) {
  if (failed(expectRank(op, "C1", "x of 4 axes", x, 4)) || failed(expectRank(op, "C1", "a result of 4 axes", op->getResult(0), 4)))
    return failure();
  int channel = layout == Layout::nhwc ? 3 : 1;
  ArrayRef<int64_t> from = shapeOf(x), to = shapeOf(op->getResult(0));
  if (from[0] == to[0] && from[channel] == to[channel])
    return success();
  return violated(op, "C2", "batch " + Twine(from[0]) + " and " + Twine(from[channel]) + " channels in the result", shapeText(to));
}

} // namespace

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return violated(*this, "C1", "at least one input", "none");
  SmallVector<int64_t> shape(shapeOf(getInputs().front()));
  int64_t axis = getAxis(), rank = shape.size();
  if (axis < 0 || axis >= rank)
    return violated(*this, "C2", "an axis from 0 to " + Twine(rank - 1), Twine(axis));
  shape[axis] = 0;
  for (Value input : getInputs()) {
    if (elementOf(input) != elementOf(getResult()))
      return violated(*this, "C1", "inputs of element type " + typeText(elementOf(getResult())), typeText(elementOf(input)));
    SmallVector<int64_t> other(shapeOf(input));
    int64_t extent = static_cast<int64_t>(other.size()) == rank ? other[axis] : 0;
    SmallVector<int64_t> masked(shape);
    if (static_cast<int64_t>(other.size()) == rank)
      masked[axis] = other[axis];
    if (other != masked)
      return violated(*this, "C3", "inputs equal on all axes but " + Twine(axis), shapeText(shapeOf(getInputs().front())) + " and " + shapeText(other));
    shape[axis] += extent;
  }
  return expectShape(*this, "C4", "the result", getResult(), shape);
}

LogicalResult SliceOp::verify() {
  if (failed(expectSameElement(*this, getX())))
    return failure();
  ArrayRef<int64_t> from = shapeOf(getX()), to = shapeOf(getResult()), offsets = getOffsets();
  if (to.size() != from.size() || offsets.size() != from.size())
    return violated(*this, "C2", "one offset and one result axis for each of " + Twine(from.size()) + " axes",
                    Twine(offsets.size()) + " offsets and " + shapeText(to));
  for (size_t i = 0; i < from.size(); ++i)
    if (offsets[i] < 0 || offsets[i] > from[i] || to[i] > from[i] - offsets[i])
      return violated(*this, "C3", "axis " + Twine(i) + " within 0 to " + Twine(from[i]), Twine(offsets[i]) + " to " + Twine(offsets[i] + to[i]));
  return success();
}

LogicalResult ReshapeOp::verify() {
  if (failed(expectSameElement(*this, getX())))
    return failure();
  auto from = cast<RankedTensorType>(getX().getType()), to = cast<RankedTensorType>(getType());
  if (from.getNumElements() != to.getNumElements())
    return violated(*this, "C2", "a result of " + Twine(from.getNumElements()) + " elements", Twine(to.getNumElements()));
  return success();
}

LogicalResult TransposeOp::verify() {
  if (failed(expectSameElement(*this, getX())))
    return failure();
  ArrayRef<int64_t> from = shapeOf(getX()), permutation = getPermutation();
  llvm::SmallBitVector seen(from.size());
  bool sound = permutation.size() == from.size();
  for (int64_t axis : permutation) {
    sound = sound && axis >= 0 && axis < static_cast<int64_t>(from.size()) && !seen.test(axis);
    if (sound)
      seen.set(axis);
  }
  if (!sound)
    return violated(*this, "C2", "a permutation of " + Twine(from.size()) + " axes", shapeText(permutation));
  SmallVector<int64_t> shape;
  for (int64_t axis : permutation)
    shape.push_back(from[axis]);
  return expectShape(*this, "C3", "the result", getResult(), shape);
}

LogicalResult BroadcastOp::verify() {
  if (failed(expectSameElement(*this, getX())))
    return failure();
  std::optional<SmallVector<int64_t>> shape = broadcastShapes(shapeOf(getX()), shapeOf(getResult()));
  if (!shape || ArrayRef<int64_t>(*shape) != shapeOf(getResult()))
    return violated(*this, "C2", "a result that x broadcasts to", shapeText(shapeOf(getX())) + " to " + shapeText(shapeOf(getResult())));
  return success();
}

LogicalResult GatherOp::verify() {
  ArrayRef<int64_t> table = shapeOf(getTable()), index = shapeOf(getIndex());
  int64_t batch = getBatchDims();
  if (batch != 0 && batch != 1)
    return violated(*this, "C1", "batch_dims of 0 or 1", Twine(batch));
  if (static_cast<int64_t>(table.size()) < batch + 1)
    return violated(*this, "C2", batch ? "table as [B, T, D...]" : "table as [V, D...]", shapeText(table));
  if (batch && (index.size() != 1 || index[0] != table[0]))
    return violated(*this, "C3", "index as [" + Twine(table[0]) + "]", shapeText(index));
  SmallVector<int64_t> shape(index);
  llvm::append_range(shape, table.drop_front(batch + 1));
  return expectShape(*this, "C4", "the result", getResult(), shape);
}

LogicalResult ResizeNearestOp::verify() { return expectSamePicture(*this, getX(), getLayout()); }
LogicalResult AdaptiveAvgPoolOp::verify() { return expectSamePicture(*this, getX(), getLayout()); }

} // namespace hb::nn
