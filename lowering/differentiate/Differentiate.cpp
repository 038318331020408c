// hb-differentiate: reverse mode over a straight-line function.
#include "lowering/differentiate/Activity.h"
#include "lowering/differentiate/Cotangents.h"
#include "lowering/differentiate/Passes.h"

#include "dialects/grad/Stage.h"
#include "dialects/nn/GradientBuilder.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBDIFFERENTIATE
#include "lowering/differentiate/Passes.h.inc"

namespace {

/// Marks what is built as backward work.
struct MarkBackward : OpBuilder::Listener {
  void notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) override { op->setLoc(grad::withStage(op->getLoc(), grad::Stage::backward)); }
};

class Differentiate : public impl::HbDifferentiateBase<Differentiate> {
  LogicalResult expand(grad::VjpOp vjp) {
    Activity activity(vjp);
    if (OpOperand *use = activity.blocked()) {
      InFlightDiagnostic message = use->getOwner()->emitOpError()
                                   << "HB0830: expected an op with a gradient rule for operand " << use->getOperandNumber()
                                   << "; found one that is not differentiable; stop the gradient in front of it (stop_gradient), or do not ask for it";
      message.attachNote(vjp.getLoc()) << "the gradient is asked for here";
      return failure();
    }
    MarkBackward mark;
    OpBuilder builder(vjp.getContext(), &mark);
    builder.setInsertionPoint(vjp);
    Cotangents cotangents(builder);
    for (auto [value, cotangent] : llvm::zip(vjp.getOf(), vjp.getCotangents()))
      if (activity.isActive(value))
        cotangents.add(value, cotangent);
    for (Operation *op : llvm::reverse(activity.ops()))
      if (failed(step(*op, activity, cotangents, builder)))
        return failure();
    for (auto [value, gradient] : llvm::zip(vjp.getWrt(), vjp.getGradients())) {
      Value found = cotangents.of(value, vjp.getLoc());
      nn::GradientBuilder g(builder, vjp.getLoc());
      gradient.replaceAllUsesWith(found ? g.castTo(found, gradient) : g.zeros(cast<RankedTensorType>(gradient.getType())));
    }
    active += activity.ops().size();
    vjp.erase();
    return success();
  }

  /// One op's share: what it gives to its active operands.
  LogicalResult step(Operation &op, const Activity &activity, Cotangents &cotangents, OpBuilder &builder) {
    SmallVector<Value> dys;
    for (Value result : op.getResults())
      dys.push_back(cotangents.of(result, op.getLoc()));
    if (llvm::none_of(dys, [](Value dy) { return dy; }))
      return success();
    if (isa<grad::CheckpointOp>(op)) {
      cotangents.add(op.getOperand(0), dys[0]);
      return success();
    }
    SmallVector<bool> wanted;
    for (OpOperand &use : op.getOpOperands())
      wanted.push_back(activity.isActive(use.get()) && Activity::passes(use));
    SmallVector<Value> gradients;
    if (failed(cast<grad::DifferentiableOpInterface>(op).buildVjp(builder, dys, wanted, gradients)))
      return failure();
    for (auto [operand, gradient, isWanted] : llvm::zip_equal(op.getOperands(), gradients, wanted))
      if (isWanted)
        cotangents.add(operand, gradient);
    return success();
  }

  void runOnOperation() override {
    SmallVector<grad::VjpOp> requests;
    getOperation()->walk([&](grad::VjpOp vjp) { requests.push_back(vjp); });
    for (grad::VjpOp vjp : requests)
      if (failed(expand(vjp)))
        return signalPassFailure();
    getOperation()->walk([](Operation *op) {
      if (isa<grad::StopOp, grad::CheckpointOp>(op)) {
        op->getResult(0).replaceAllUsesWith(op->getOperand(0));
        op->erase();
      }
    });
  }
};

} // namespace
} // namespace hb
