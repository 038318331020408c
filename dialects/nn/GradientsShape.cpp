// Gradient rules of ops that move elements.
#include "dialects/nn/GradientBuilder.h"
#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

LogicalResult ConcatOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  GradientBuilder g(builder, getLoc());
  SmallVector<int64_t> offsets(rankOf(getResult()), 0);
  for (auto [input, isWanted] : llvm::zip(getInputs(), wanted)) {
    gradients.push_back(isWanted ? g.slice(cotangents[0], offsets, shapeOf(input)) : Value());
    offsets[getAxis()] += shapeOf(input)[getAxis()];
  }
  return success();
}

LogicalResult SliceOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.push_back(wanted[0] ? SliceVjpOp::create(builder, getLoc(), getX().getType(), cotangents[0], getOffsets()) : Value());
  return success();
}

LogicalResult ReshapeOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.push_back(wanted[0] ? GradientBuilder(builder, getLoc()).reshape(cotangents[0], shapeOf(getX())) : Value());
  return success();
}

LogicalResult TransposeOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  SmallVector<int64_t> inverse(getPermutation().size());
  for (auto [i, axis] : llvm::enumerate(getPermutation()))
    inverse[axis] = i;
  gradients.push_back(wanted[0] ? TransposeOp::create(builder, getLoc(), getX().getType(), cotangents[0], inverse) : Value());
  return success();
}

LogicalResult BroadcastOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.push_back(wanted[0] ? GradientBuilder(builder, getLoc()).sumTo(cotangents[0], getX()) : Value());
  return success();
}

LogicalResult ResizeNearestOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.push_back(wanted[0] ? ResizeNearestVjpOp::create(builder, getLoc(), getX().getType(), cotangents[0], getLayout()) : Value());
  return success();
}

LogicalResult AdaptiveAvgPoolOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.push_back(wanted[0] ? AdaptiveAvgPoolVjpOp::create(builder, getLoc(), getX().getType(), cotangents[0], getLayout()) : Value());
  return success();
}

} // namespace hb::nn
