// hb-form-kernels: walks a function and applies the rule of each nn op.
#include "lowering/kernels/Former.h"
#include "lowering/kernels/Passes.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBFORMKERNELS
#include "lowering/kernels/Passes.h.inc"

Value noKernel(Operation *op, const Twine &expected, const Twine &found) {
  op->emitOpError() << "HB0801: expected " << expected << "; found " << found << "; this is a defect of an earlier phase, please report it";
  return {};
}

Value Former::operand(Value value) {
  if (WeightTable::isParameter(value))
    return weights.dense(value);
  if (auto constant = value.getDefiningOp<nn::ConstantOp>())
    return weights.constant(constant.getValue());
  return value;
}

MapInput Former::broadcast(Value value, RankedTensorType result) {
  Value read = operand(value);
  return {read, broadcastMap(b.getContext(), shapeOf(read), result.getShape())};
}

/// What is loaded or inlined where it is used, not computed.
static bool isMaterialisedLazily(Operation &op) {
  return isa<nn::ConstantOp>(op) || (op.getNumResults() == 1 && WeightTable::isParameter(op.getResult(0)));
}

bool Former::formBlock(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (!isa<nn::NnDialect>(op.getDialect()) && !isa<func::ReturnOp>(op))
      continue;
    if (isMaterialisedLazily(op)) {
      dead_.push_back(&op);
      continue;
    }
    if (isa<func::ReturnOp, nn::YieldOp, nn::RepeatOp>(op)) {
      for (OpOperand &use : op.getOpOperands())
        use.set(operand(use.get()));
      // A run-time count beyond its bound would index outside the tables that were sized for it.
      if (auto repeat = dyn_cast<nn::RepeatOp>(op); repeat && repeat.getCount())
        noteRange(func, repeat.getCount(), repeat.getMaxTripCount() + 1);
      if (auto repeat = dyn_cast<nn::RepeatOp>(op); repeat && !formBlock(repeat.getBody().front()))
        return false;
      continue;
    }
    b.setInsertionPoint(&op);
    using Values = SmallVector<Value>;
    Values values =
        llvm::TypeSwitch<Operation *, Values>(&op)
            .Case<nn::UnaryOp, nn::BinaryOp, nn::ClampOp, nn::CastOp, nn::SliceOp, nn::ReshapeOp, nn::TransposeOp, nn::BroadcastOp, nn::ResizeNearestOp,
                  nn::ConcatOp, nn::GatherOp, nn::ReduceOp, nn::ArgmaxOp, nn::MatmulOp, nn::AdaptiveAvgPoolOp, nn::LinearOp, nn::LoraLinearOp, nn::DropoutOp,
                  nn::GatedLinearOp, nn::Conv2dOp, nn::GroupNormOp, nn::LayerNormOp, nn::SoftmaxOp, nn::L2NormalizeOp, nn::UnaryVjpOp,
                  nn::ClampVjpOp, nn::ExtremeVjpOp, nn::LinearVjpOp, nn::Conv2dVjpOp, nn::GroupNormVjpOp, nn::LayerNormVjpOp, nn::SoftmaxVjpOp,
                  nn::L2NormalizeVjpOp, nn::ReduceMaxVjpOp, nn::SliceVjpOp, nn::ResizeNearestVjpOp, nn::AdaptiveAvgPoolVjpOp>(
                [&](auto nnOp) { return Values{form(nnOp)}; })
            .Case<nn::AttentionOp, nn::AttentionVjpOp>([&](auto nnOp) { return formAll(nnOp); })
            .Default([](Operation *other) { return Values{noKernel(other, "an nn op with a kernel family", other->getName().getStringRef())}; });
    if (!values[0])
      return false;
    op.replaceAllUsesWith(values);
    dead_.push_back(&op);
  }
  return true;
}

bool Former::run() {
  // Statistics speak of the network's ops, so they are counted before they are gone.
  int64_t count = 0;
  func.walk([&](Operation *op) {
    if (isa<nn::NnDialect>(op->getDialect()) && !isa<nn::ParamOp, nn::ConstantOp, nn::YieldOp>(op))
      ++count;
  });
  func->setAttr("kernel.ops", b.getI64IntegerAttr(count));
  if (!formBlock(func.getBody().front()))
    return false;
  for (Operation *op : llvm::reverse(dead_))
    op->erase();
  return true;
}

namespace {
struct FormKernels : impl::HbFormKernelsBase<FormKernels> {
  void runOnOperation() override {
    if (!getOperation().isDeclaration() && !Former(getOperation()).run())
      signalPassFailure();
  }
};
} // namespace

} // namespace hb
