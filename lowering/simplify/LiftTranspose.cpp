// What is left after sinking: transposes to channels-last of pictures that come channels-first into the function. They rise
// through the ops that prepare such a picture (scaling, normalising, clamping), when nobody else reads the old layout.
#include "lowering/simplify/Patterns.h"
#include "lowering/simplify/Permutation.h"

using namespace mlir;

namespace hb {

namespace {

struct LiftTranspose : OpRewritePattern<nn::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::TransposeOp op, PatternRewriter &rewriter) const override {
    Operation *source = op.getX().getDefiningOp();
    if (op.getPermutation() != toLast() || !source || !isa<nn::UnaryOp, nn::ClampOp, nn::CastOp, nn::BinaryOp, nn::ConcatOp, nn::SliceOp, nn::BroadcastOp>(source))
      return failure();
    for (Operation *user : op.getX().getUsers())
      if (auto other = dyn_cast<nn::TransposeOp>(user); !other || other.getPermutation() != toLast())
        return failure();
    if (auto broadcast = dyn_cast<nn::BroadcastOp>(source); broadcast && shapeOf(broadcast.getX()).size() != 4)
      return failure();
    rewriter.setInsertionPoint(source);
    SmallVector<Value> operands;
    for (Value operand : source->getOperands()) {
      ArrayRef<int64_t> own = shapeOf(operand);
      if (own.size() < 4 && llvm::any_of(own, [](int64_t extent) { return extent != 1; })) {
        SmallVector<int64_t> shape(4 - own.size(), 1);
        llvm::append_range(shape, own);
        operand = nn::ReshapeOp::create(rewriter, source->getLoc(), withShape(operand.getType(), shape), operand);
      }
      operands.push_back(shapeOf(operand).size() == 4 ? transposed(rewriter, op.getLoc(), operand, toLast()) : operand);
    }
    Operation *clone = rewriter.clone(*source);
    clone->setOperands(operands);
    clone->getResult(0).setType(op.getType());
    if (auto concat = dyn_cast<nn::ConcatOp>(clone))
      concat.setAxis(inverse(toLast())[concat.getAxis()]);
    if (auto slice = dyn_cast<nn::SliceOp>(clone))
      slice.setOffsets(permuted(slice.getOffsets(), toLast()));
    // The other readers ask for the same transpose.
    Operation *dead = source;
    for (Operation *user : llvm::make_early_inc_range(op.getX().getUsers()))
      rewriter.replaceOp(user, clone->getResult(0));
    rewriter.eraseOp(dead);
    return success();
  }
};

} // namespace

void populateLiftPatterns(RewritePatternSet &patterns) { patterns.add<LiftTranspose>(patterns.getContext()); }

} // namespace hb
