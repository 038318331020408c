// Gradient rules of products. Base weights are frozen, so that nothing is saved for them; adapter factors are what is trained.
#include "dialects/nn/GradientBuilder.h"
#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

namespace {

/// Gradients of the factors of ((x·Aᵀ)∘s)·Bᵀ, with s fixed (Hu et al. 2021; MODEL: y = W·x + s·B·A·x):
/// dA = ((dy·B)∘s)ᵀ·x and dB = dyᵀ·((x·Aᵀ)∘s). Both sums run over all rows. With dropout x is the masked input.
void loraFactors(GradientBuilder &g, Value x, Value dy, Value a, Value b, Value scale, ValueRange drop, bool wantA, bool wantB, Value &da, Value &db) {
  if (!drop.empty() && (wantA || wantB))
    x = DropoutOp::create(g.b, g.where, x.getType(), x, drop);
  Value xRows = g.rows(x), dyRows = g.rows(dy);
  if (wantA)
    da = g.matmul(g.mul(g.matmul(dyRows, b, false, false), scale), xRows, true, false);
  if (wantB)
    db = g.matmul(dyRows, g.mul(g.matmul(xRows, a, false, true), scale), true, false);
}

/// The forward op with its statistics. It takes over all readers of `op`, which stays behind without any and falls to the next clean-up
/// (whoever differentiates still holds pointers to it).
AttentionOp withStats(AttentionOp op) {
  if (op.getStats())
    return op;
  OpBuilder builder(op);
  ArrayRef<int64_t> q = shapeOf(op.getQ());
  auto stats = RankedTensorType::get({q[0], static_cast<int64_t>(op.getHeads()), 2, q[1]}, elementOf(op.getResult()));
  auto full = AttentionOp::create(builder, op.getLoc(), op.getResult().getType(), stats, op.getQ(), op.getK(), op.getV(), op.getMask(), op.getHeads(),
                                  op.getScale(), op.getCausal());
  op.getResult().replaceAllUsesWith(full.getResult());
  return full;
}

} // namespace

bool LinearOp::isDifferentiable(unsigned) { return true; }
bool LoraLinearOp::isDifferentiable(unsigned operand) {
  Value value = getOperation()->getOperand(operand);
  return value == getX() || value == getA() || value == getB();
}
bool GatedLinearOp::isDifferentiable(unsigned operand) {
  Value value = getOperation()->getOperand(operand);
  return value == getX() || value == getA() || value == getB();
}
bool Conv2dOp::isDifferentiable(unsigned operand) { return operand == 0; }
bool AttentionOp::isDifferentiable(unsigned operand) { return operand < 3; }

LogicalResult LinearOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  GradientBuilder g(builder, getLoc());
  Value dy = cotangents[0];
  gradients.push_back(wanted[0] ? LinearVjpOp::create(builder, getLoc(), getX().getType(), dy, getWeight(), Value(), Value(), Value(), ValueRange()) : Value());
  gradients.push_back(wanted[1] ? g.castTo(g.matmul(g.rows(dy), g.rows(getX()), true, false), getWeight()) : Value());
  if (getBias())
    gradients.push_back(wanted[2] ? g.sumTo(dy, getBias()) : Value());
  return success();
}

LogicalResult LoraLinearOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  if (getBlocks())
    return emitOpError("expected a linear with one adapter, which has a gradient rule; found merged ones (merge after differentiation)");
  GradientBuilder g(builder, getLoc());
  size_t factors = getBias() ? 3 : 2;
  gradients.assign(factors + 3, {});
  if (wanted[0])
    gradients[0] = LinearVjpOp::create(builder, getLoc(), getX().getType(), cotangents[0], getWeight(), getA(), getB(), getScale(), getDrop());
  loraFactors(g, getX(), cotangents[0], getA(), getB(), getScale(), getDrop(), wanted[factors], wanted[factors + 1], gradients[factors], gradients[factors + 1]);
  return success();
}

LogicalResult GatedLinearOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  // The halves before the gate were never stored: they are computed again, then the rule is that of the plain linear.
  GradientBuilder g(builder, getLoc());
  SmallVector<int64_t> both(shapeOf(getResult())), half(both), first(both.size(), 0), second(both.size(), 0);
  both.back() *= 2;
  second.back() = half.back();
  auto type = RankedTensorType::get(both, elementOf(getResult()));
  Value h = getA() ? LoraLinearOp::create(builder, getLoc(), type, getX(), getWeight(), getBias(), getA(), getB(), getScale(), getDrop(), DenseI64ArrayAttr()).getResult()
                   : LinearOp::create(builder, getLoc(), type, getX(), getWeight(), getBias()).getResult();
  Value u = g.slice(h, first, half), gate = g.slice(h, second, half), dy = cotangents[0];
  Value activated = UnaryOp::create(builder, getLoc(), gate.getType(), getKind(), gate);
  Value dgate = UnaryVjpOp::create(builder, getLoc(), gate.getType(), getKind(), gate, g.mul(dy, u));
  Value dh = ConcatOp::create(builder, getLoc(), type, ValueRange{g.mul(dy, activated), dgate}, both.size() - 1);
  size_t factors = getBias() ? 3 : 2;
  gradients.assign(getNumOperands(), {});
  if (wanted[0])
    gradients[0] = LinearVjpOp::create(builder, getLoc(), getX().getType(), dh, getWeight(), getA(), getB(), getScale(), getDrop());
  if (getA())
    loraFactors(g, getX(), dh, getA(), getB(), getScale(), getDrop(), wanted[factors], wanted[factors + 1], gradients[factors], gradients[factors + 1]);
  return success();
}

LogicalResult MatmulOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  GradientBuilder g(builder, getLoc());
  Value dy = cotangents[0], a = getA(), b = getB();
  bool ta = getTransposeA(), tb = getTransposeB();
  // op(a) = dy·op(b)ᵀ; with a stored transposed its gradient is the transpose, op(b)·dyᵀ.
  gradients.push_back(!wanted[0] ? Value() : g.castTo(ta ? g.matmul(b, dy, tb, true) : g.matmul(dy, b, false, !tb), a));
  gradients.push_back(!wanted[1] ? Value() : g.castTo(tb ? g.matmul(dy, a, true, ta) : g.matmul(a, dy, !ta, false), b));
  return success();
}

LogicalResult Conv2dOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  gradients.assign(getNumOperands(), {});
  if (wanted[0])
    gradients[0] = Conv2dVjpOp::create(builder, getLoc(), getX().getType(), cotangents[0], getWeight(), getStrides(), getPadding(), getLayout());
  return success();
}

LogicalResult AttentionOp::buildVjp(OpBuilder &builder, ArrayRef<Value> cotangents, ArrayRef<bool> wanted, SmallVectorImpl<Value> &gradients) {
  AttentionOp forward = withStats(*this);
  auto vjp = AttentionVjpOp::create(builder, getLoc(), getQ().getType(), getK().getType(), getV().getType(), getQ(), getK(), getV(), forward.getResult(),
                                    forward.getStats(), cotangents[0], getMask(), getHeads(), getScale(), getCausal());
  gradients.assign(getNumOperands(), {});
  for (int i = 0; i < 3; ++i)
    if (wanted[i])
      gradients[i] = vjp.getResult(i);
  return success();
}

} // namespace hb::nn
