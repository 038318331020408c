// GEGLU: matched from the product backwards, since a product of a slice and an activated slice is rare.
#include "lowering/fuse/Gradients.h"
#include "lowering/fuse/Passes.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBFUSEGATEDLINEAR
#include "lowering/fuse/Passes.h.inc"

namespace {

/// Whether `slice` is the first (index 0) or second half of the last axis of its operand.
bool isHalf(nn::SliceOp slice, int64_t index) {
  ArrayRef<int64_t> from = cast<RankedTensorType>(slice.getX().getType()).getShape(), to = cast<RankedTensorType>(slice.getType()).getShape();
  ArrayRef<int64_t> offsets = slice.getOffsets();
  return from.drop_back() == to.drop_back() && from.back() == 2 * to.back() && offsets.back() == index * to.back();
}

class FuseGatedLinear : public impl::HbFuseGatedLinearBase<FuseGatedLinear> {
  bool fuse(nn::BinaryOp product, Value value, Value gate) {
    auto activation = gate.getDefiningOp<nn::UnaryOp>();
    auto u = value.getDefiningOp<nn::SliceOp>();
    auto g = activation ? activation.getX().getDefiningOp<nn::SliceOp>() : nn::SliceOp();
    if (!u || !g || u.getX() != g.getX() || !isHalf(u, 0) || !isHalf(g, 1) || product.getType() != u.getType())
      return false;
    if (!activation->hasOneUse() || !u->hasOneUse() || !g->hasOneUse() || !u.getX().hasNUses(2))
      return false;
    // The gradient reads the halves before the gate: where one is asked for, they must be stored.
    if (code_->contains(product))
      return false;
    Operation *source = u.getX().getDefiningOp();
    OpBuilder builder(product);
    Value fusedValue;
    auto make = [&](Value x, Value weight, Value bias, Value a, Value b, Value scale, ValueRange drop) {
      fusedValue = nn::GatedLinearOp::create(builder, product.getLoc(), product.getType(), activation.getKind(), x, weight, bias, a, b, scale, drop);
    };
    if (auto linear = dyn_cast_if_present<nn::LinearOp>(source))
      make(linear.getX(), linear.getWeight(), linear.getBias(), {}, {}, {}, {});
    else if (auto lora = dyn_cast_if_present<nn::LoraLinearOp>(source))
      make(lora.getX(), lora.getWeight(), lora.getBias(), lora.getA(), lora.getB(), lora.getScale(), lora.getDrop());
    else
      return false;
    product.replaceAllUsesWith(fusedValue);
    for (Operation *dead : {product.getOperation(), activation.getOperation(), u.getOperation(), g.getOperation(), source})
      dead->erase();
    ++fused;
    return true;
  }

  std::optional<DifferentiatedCode> code_;

  void runOnOperation() override {
    code_.emplace(getOperation());
    SmallVector<nn::BinaryOp> products;
    getOperation()->walk([&](nn::BinaryOp op) {
      if (op.getKind() == nn::BinaryKind::mul)
        products.push_back(op);
    });
    for (nn::BinaryOp op : products)
      if (!fuse(op, op.getLhs(), op.getRhs()))
        fuse(op, op.getRhs(), op.getLhs());
  }
};

} // namespace
} // namespace hb
