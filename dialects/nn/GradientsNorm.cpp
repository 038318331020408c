// Gradient rules of norms and softmax. Scales and shifts are always frozen: only the input has a gradient.
#include "dialects/nn/GradientBuilder.h"
#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

bool GroupNormOp::isDifferentiable(unsigned operand) { return operand == 0; }
bool LayerNormOp::isDifferentiable(unsigned operand) { return operand == 0; }

LogicalResult GroupNormOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.assign(3, {});
  if (wanted[0])
    gradients[0] = GroupNormVjpOp::create(builder, getLoc(), getX().getType(), getX(), getWeight(), cotangents[0], getGroups(), getEps(), getLayout());
  return success();
}

LogicalResult LayerNormOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.assign(3, {});
  if (wanted[0])
    gradients[0] = LayerNormVjpOp::create(builder, getLoc(), getX().getType(), getX(), getWeight(), cotangents[0], getEps());
  return success();
}

LogicalResult SoftmaxOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.push_back(wanted[0] ? SoftmaxVjpOp::create(builder, getLoc(), getType(), getResult(), cotangents[0]) : Value());
  return success();
}

LogicalResult L2NormalizeOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.push_back(wanted[0] ? L2NormalizeVjpOp::create(builder, getLoc(), getType(), getX(), cotangents[0], getEps()) : Value());
  return success();
}

} // namespace hb::nn
