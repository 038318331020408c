// hb-fuse-prologues: normalisation while a contraction reads its rows.
#include "lowering/kernels/Fuse.h"
#include "lowering/kernels/Passes.h"
#include "lowering/kernels/TargetTraits.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBFUSEPROLOGUES
#include "lowering/kernels/Passes.h.inc"

namespace {

struct FusePrologues : impl::HbFuseProloguesBase<FusePrologues> {
  using HbFuseProloguesBase::HbFuseProloguesBase;

  void runOnOperation() override {
    if (!targetTraits(getOperation()).rowPrologues)
      return;
    SmallVector<kernel::ContractOp> contractions;
    getOperation().walk([&](kernel::ContractOp op) { contractions.push_back(op); });
    for (kernel::ContractOp op : contractions)
      if (kernel::NormalizeOp norm = normBehind(op); norm && pays(op, norm)) {
        absorb(op, norm);
        ++fused;
      }
  }

  /// The norm whose result, perhaps under another shape, the contraction's rows are, and nothing else reads.
  static kernel::NormalizeOp normBehind(kernel::ContractOp op) {
    if (op.getForm() != kernel::ContractForm::linear || op.hasPrologue())
      return {};
    Value value = op.getA();
    while (value.hasOneUse() && isContiguous(value) && value.getParentBlock() == op->getBlock()) {
      Operation *producer = value.getDefiningOp();
      if (auto norm = dyn_cast_or_null<kernel::NormalizeOp>(producer))
        return norm;
      auto view = dyn_cast_or_null<kernel::ViewOp>(producer);
      if (!view || shapeOf(view.getX()).back() != shapeOf(value).back()) // rows stay rows
        return {};
      value = view.getX();
    }
    return {};
  }

  bool pays(kernel::ContractOp op, kernel::NormalizeOp norm) const {
    bool known = norm.getKind() == kernel::NormKind::layer || norm.getKind() == kernel::NormKind::group;
    if (!known || !isContiguous(norm.getX()) || !tensorOf(norm.getX()).getElementType().isF32() || llvm::any_of(norm.getPad(), [](int64_t p) { return p != 0; }))
      return false;
    ArrayRef<int64_t> a = shapeOf(op.getA());
    int64_t rows = tensorOf(op.getA()).getNumElements() / std::max<int64_t>(a.back(), 1), columns = op.weightShape()[0];
    return a.back() <= mostWidth && rows * columns >= leastProducts;
  }

  static void absorb(kernel::ContractOp op, kernel::NormalizeOp norm) {
    OpBuilder b(op);
    Value old = op.getA(), rows = norm.getX();
    if (shapeOf(rows) != shapeOf(old))
      rows = kernel::ViewOp::create(b, norm.getLoc(), RankedTensorType::get(shapeOf(old), tensorOf(rows).getElementType()), rows);
    op.getAMutable().assign(rows);
    op.setNorm(norm.getKind());
    op.setEpsAttr(norm.getEpsAttr());
    if (norm.getStats())
      op.getStatsMutable().assign(norm.getStats());
    op.getNormWeightMutable().assign(norm.getWeight());
    op.getNormBiasMutable().assign(norm.getBias());
    if (scalarOps(norm.getEpilogue()))
      op.getPrologue().takeBody(norm.getEpilogue());
    // Not from the norm itself: its region may be gone by now.
    while (Operation *dead = old.getDefiningOp()) {
      Value next = isa<kernel::ViewOp>(dead) ? dead->getOperand(0) : Value();
      dead->erase();
      if (!next)
        break;
      old = next;
    }
  }
};

} // namespace
} // namespace hb
