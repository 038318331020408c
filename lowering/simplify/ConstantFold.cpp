// Ops whose operands are all constants are evaluated by the reference evaluator. Every result is rounded to its type, so a
// table that a network builds in float32, step by step, comes out as float32 arithmetic gives it.
#include "dialects/nn/reference/Evaluator.h"
#include "lowering/simplify/Patterns.h"
#include "runtime/base/Error.h"

using namespace mlir;

namespace hb {

namespace {

struct FoldConstants : RewritePattern {
  FoldConstants(MLIRContext *context, int64_t limit) : RewritePattern(MatchAnyOpTypeTag(), 1, context), limit_(limit) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!isa<nn::NnDialect>(op->getDialect()) || op->getNumResults() != 1 || op->getNumOperands() == 0 || op->getNumRegions())
      return failure();
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (type.getNumElements() > limit_)
      return failure();
    SmallVector<nn::ConstantOp> constants;
    for (Value operand : op->getOperands()) {
      constants.push_back(operand.getDefiningOp<nn::ConstantOp>());
      if (!constants.back())
        return failure();
    }
    // An index outside its table is the runtime's to report: such an op stays.
    try {
      SmallVector<nn::Tensor> operands;
      for (nn::ConstantOp constant : constants)
        operands.push_back(nn::tensorOf(constant.getValue(), op->getLoc()));
      nn::Tensor result = nn::Evaluator({}).evaluate(*op, operands).front();
      rewriter.replaceOpWithNewOp<nn::ConstantOp>(op, type, nn::elementsOf(result, type));
      return success();
    } catch (const Error &) {
      return failure();
    }
  }

  int64_t limit_;
};

} // namespace

void populateConstantFold(RewritePatternSet &patterns, int64_t limit) { patterns.add<FoldConstants>(patterns.getContext(), limit); }

} // namespace hb
