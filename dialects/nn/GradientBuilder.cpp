#include "dialects/nn/GradientBuilder.h"

#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

static RankedTensorType withShape(Value x, ArrayRef<int64_t> shape) { return RankedTensorType::get(shape, elementOf(x)); }

Value GradientBuilder::binary(BinaryKind kind, Value x, Value y) {
  // The cotangent comes first and has the activations' type; weights may be narrower, and the result must not be.
  Type element = elementOf(x).getIntOrFloatBitWidth() >= elementOf(y).getIntOrFloatBitWidth() ? elementOf(x) : elementOf(y);
  return BinaryOp::create(b, where, RankedTensorType::get(*broadcastShapes(shapeOf(x), shapeOf(y)), element), kind, x, y);
}

Value GradientBuilder::reshape(Value x, ArrayRef<int64_t> shape) {
  return shapeOf(x) == shape ? x : ReshapeOp::create(b, where, withShape(x, shape), x).getResult();
}

Value GradientBuilder::slice(Value x, ArrayRef<int64_t> offsets, ArrayRef<int64_t> shape) { return SliceOp::create(b, where, withShape(x, shape), x, offsets); }

Value GradientBuilder::broadcast(Value x, ArrayRef<int64_t> shape) {
  return shapeOf(x) == shape ? x : BroadcastOp::create(b, where, withShape(x, shape), x).getResult();
}

Value GradientBuilder::sumTo(Value x, Value like) {
  ArrayRef<int64_t> from = shapeOf(x), to = shapeOf(like);
  size_t lead = from.size() - to.size();
  SmallVector<int64_t> axes, kept;
  for (size_t i = 0; i < from.size(); ++i)
    if (i < lead || from[i] != to[i - lead])
      axes.push_back(i);
    else
      kept.push_back(from[i]);
  if (!axes.empty())
    x = ReduceOp::create(b, where, withShape(x, kept), ReduceKind::sum, x, axes);
  return castTo(reshape(x, to), like);
}

Value GradientBuilder::matmul(Value x, Value y, bool transposeX, bool transposeY) {
  int64_t m = shapeOf(x)[rankOf(x) - (transposeX ? 1 : 2)], n = shapeOf(y)[rankOf(y) - (transposeY ? 2 : 1)];
  SmallVector<int64_t> shape(shapeOf(x).drop_back(2));
  shape.append({m, n});
  return MatmulOp::create(b, where, withShape(x, shape), x, y, transposeX, transposeY);
}

Value GradientBuilder::rows(Value x) {
  int64_t last = shapeOf(x).back(), count = 1;
  for (int64_t extent : shapeOf(x).drop_back())
    count *= extent;
  return reshape(x, {count, last});
}

Value GradientBuilder::scalar(double value, Value like) {
  auto type = RankedTensorType::get({}, elementOf(like));
  return ConstantOp::create(b, where, type, DenseElementsAttr::get(type, b.getFloatAttr(elementOf(like), value)));
}

Value GradientBuilder::zeros(RankedTensorType type) {
  return ConstantOp::create(b, where, type, DenseElementsAttr::get(type, b.getFloatAttr(type.getElementType(), 0.0)));
}

Value GradientBuilder::castTo(Value x, Value like) {
  return elementOf(x) == elementOf(like) ? x : CastOp::create(b, where, withShape(x, shapeOf(x)).clone(elementOf(like)), x).getResult();
}

} // namespace hb::nn
