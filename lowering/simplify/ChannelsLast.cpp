// Layout of pictures: see the pass's description. The ops that care about layout are converted one by one, each with a
// transpose on either side; the pattern sets then make nearly all of those meet and vanish.
#include "lowering/simplify/Passes.h"
#include "lowering/simplify/Patterns.h"
#include "lowering/simplify/Permutation.h"

#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBCHANNELSLAST
#include "lowering/simplify/Passes.h.inc"

namespace {

class ChannelsLast : public impl::HbChannelsLastBase<ChannelsLast> {
  template <typename Op> static void convert(Op op) {
    if (op.getLayout() == nn::Layout::nhwc)
      return;
    OpBuilder builder(op);
    Value x = transposed(builder, op.getLoc(), op.getX(), toLast());
    Operation *clone = builder.clone(*op.getOperation());
    clone->setOperand(0, x);
    clone->getResult(0).setType(withShape(op.getType(), permuted(shapeOf(op.getResult()), toLast())));
    cast<Op>(clone).setLayout(nn::Layout::nhwc);
    op.getResult().replaceAllUsesWith(transposed(builder, op.getLoc(), clone->getResult(0), toFirst()));
    op.erase();
  }

  LogicalResult apply(void (*populate)(RewritePatternSet &)) {
    RewritePatternSet patterns(&getContext());
    populateAxisPatterns(patterns);
    populate(patterns);
    return applyPatternsGreedily(getOperation(), std::move(patterns), GreedyRewriteConfig().setMaxIterations(GreedyRewriteConfig::kNoLimit));
  }

  void runOnOperation() override {
    getOperation()->walk([](Operation *op) {
      TypeSwitch<Operation *>(op).Case<nn::Conv2dOp, nn::GroupNormOp, nn::ResizeNearestOp, nn::AdaptiveAvgPoolOp>([](auto op) { convert(op); });
    });
    if (failed(apply(populateSinkPatterns)) || failed(apply(populateLiftPatterns))) {
      getOperation()->emitError("expected transposes to come to rest; found that they kept moving");
      return signalPassFailure();
    }
    // An input that several ops read was wrapped once for each: count what really remains.
    DominanceInfo dominance(getOperation());
    IRRewriter rewriter(&getContext());
    eliminateCommonSubExpressions(rewriter, dominance, getOperation());
    getOperation()->walk([&](nn::TransposeOp) { ++remaining; });
  }
};

} // namespace
} // namespace hb
