// Rules of attention and its gradient: the ops with more than one result.
#include "lowering/kernels/Former.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb {

SmallVector<Value> Former::formAll(nn::AttentionOp op) {
  Value mask = op.getMask() ? operand(op.getMask()) : Value();
  Type stats = op.getStats() ? op.getStats().getType() : Type();
  auto formed = kernel::AttentionOp::create(b, op.getLoc(), op.getResult().getType(), stats, operand(op.getQ()), operand(op.getK()), operand(op.getV()), mask,
                                            op.getHeads(), op.getScale(), op.getCausal());
  return SmallVector<Value>(formed->getResults());
}

SmallVector<Value> Former::formAll(nn::AttentionVjpOp op) {
  Location where = op.getLoc();
  Value y = operand(op.getY()), dy = operand(op.getDy());
  ArrayRef<int64_t> shape = shapeOf(dy);
  int64_t heads = op.getHeads(), width = shape[2] / heads;
  // Σ dy∘y of each head, a pass of its own: tasks of one head would share it.
  auto split = RankedTensorType::get({shape[0], shape[1], heads, width}, b.getF32Type()), sums = RankedTensorType::get({shape[0], shape[1], heads}, b.getF32Type());
  auto input = [&](Value value) { return MapInput{kernel::ViewOp::create(b, where, split, value), b.getMultiDimIdentityMap(4)}; };
  Value delta = buildReduce(b, where, sums, kernel::Combine::sum, {input(y), input(dy)}, width,
                            [&](OpBuilder &inner, ValueRange a) -> Value { return arith::MulFOp::create(inner, where, a[0], a[1]); });
  Value mask = op.getMask() ? operand(op.getMask()) : Value();
  auto formed = kernel::AttentionVjpOp::create(b, where, op.getDq().getType(), op.getDk().getType(), op.getDv().getType(), operand(op.getQ()), operand(op.getK()),
                                               operand(op.getV()), dy, operand(op.getStats()), delta, mask, op.getHeads(), op.getScale(), op.getCausal());
  return SmallVector<Value>(formed->getResults());
}

} // namespace hb
