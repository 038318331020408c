// Gradient rules of elementwise ops and reductions.
#include "dialects/nn/GradientBuilder.h"
#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

LogicalResult UnaryOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  Value dy = cotangents[0];
  gradients.push_back(wanted[0] ? UnaryVjpOp::create(builder, getLoc(), dy.getType(), getKind(), getX(), dy) : Value());
  return success();
}

LogicalResult BinaryOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  GradientBuilder g(builder, getLoc());
  Value dy = cotangents[0], a = getLhs(), b = getRhs();
  /// The gradient of max or min with respect to `x`, of the result's shape.
  auto extreme = [&](Value x, Value other) -> Value {
    Value full = g.castTo(g.broadcast(x, shapeOf(dy)), dy), beside = g.castTo(g.broadcast(other, shapeOf(dy)), dy);
    return ExtremeVjpOp::create(builder, getLoc(), dy.getType(), getKind(), full, beside, dy);
  };
  Value da, db;
  switch (getKind()) {
  case BinaryKind::add:
    da = db = dy;
    break;
  case BinaryKind::sub:
    da = dy;
    db = wanted[1] ? g.neg(dy) : Value();
    break;
  case BinaryKind::mul:
    da = wanted[0] ? g.mul(dy, b) : Value();
    db = wanted[1] ? g.mul(dy, a) : Value();
    break;
  case BinaryKind::div:
    da = wanted[0] || wanted[1] ? g.div(dy, b) : Value();
    db = wanted[1] ? g.neg(g.mul(da, g.div(a, b))) : Value(); // −dy·a/b²
    break;
  case BinaryKind::max:
  case BinaryKind::min:
    da = wanted[0] ? extreme(a, b) : Value();
    db = wanted[1] ? extreme(b, a) : Value();
    break;
  case BinaryKind::eq:
    return emitOpError("expected a kind that has a derivative; found eq");
  }
  gradients.push_back(wanted[0] ? g.sumTo(da, a) : Value());
  gradients.push_back(wanted[1] ? g.sumTo(db, b) : Value());
  return success();
}

bool DropoutOp::isDifferentiable(unsigned operand) { return operand == 0; }

LogicalResult DropoutOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.assign(getNumOperands(), {});
  if (wanted[0]) // linear in x, and diagonal
    gradients[0] = create(builder, getLoc(), getX().getType(), cotangents[0], getDrop());
  return success();
}

LogicalResult ClampOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.push_back(wanted[0] ? ClampVjpOp::create(builder, getLoc(), getType(), getX(), cotangents[0], getLow(), getHigh()) : Value());
  return success();
}

LogicalResult CastOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.push_back(wanted[0] ? GradientBuilder(builder, getLoc()).castTo(cotangents[0], getX()) : Value());
  return success();
}

LogicalResult ReduceOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  GradientBuilder g(builder, getLoc());
  ArrayRef<int64_t> x = shapeOf(getX());
  if (!wanted[0]) {
    gradients.push_back({});
    return success();
  }
  if (getKind() == ReduceKind::max) {
    // torch divides amax's gradient among ties, max's goes to one element; only the latter has a use here.
    if (getAxes().size() != 1)
      return emitOpError("expected a maximum over one axis, which has a derivative; found one over ") << getAxes().size();
    gradients.push_back(ReduceMaxVjpOp::create(builder, getLoc(), getX().getType(), getX(), cotangents[0], getAxes()[0]));
    return success();
  }
  SmallVector<int64_t> kept(x);
  double count = 1;
  for (int64_t axis : getAxes()) {
    count *= static_cast<double>(x[axis]);
    kept[axis] = 1;
  }
  Value dy = g.reshape(cotangents[0], kept);
  if (getKind() == ReduceKind::mean)
    dy = g.mul(dy, g.scalar(1 / count, dy));
  gradients.push_back(g.broadcast(dy, x));
  return success();
}

} // namespace hb::nn
