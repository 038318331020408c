// Transposes and reshapes among themselves.
#include "lowering/simplify/Patterns.h"
#include "lowering/simplify/Permutation.h"

using namespace mlir;

namespace hb {

namespace {

/// Transpose of transpose is one; a transpose that moves only axes of extent 1 is a reshape.
struct ComposeTranspose : OpRewritePattern<nn::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::TransposeOp op, PatternRewriter &rewriter) const override {
    if (!op.getX().getDefiningOp<nn::TransposeOp>() && !movesOnlyUnits(shapeOf(op.getX()), op.getPermutation()))
      return failure();
    rewriter.replaceOp(op, transposed(rewriter, op.getLoc(), op.getX(), op.getPermutation()));
    return success();
  }
};

/// Only the last of several reshapes matters.
struct ComposeReshape : OpRewritePattern<nn::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReshapeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<nn::ReshapeOp>();
    if (!inner)
      return failure();
    if (inner.getX().getType() == op.getType())
      rewriter.replaceOp(op, inner.getX());
    else
      rewriter.replaceOpWithNewOp<nn::ReshapeOp>(op, op.getType(), inner.getX());
    return success();
  }
};

} // namespace

void populateAxisPatterns(RewritePatternSet &patterns) { patterns.add<ComposeTranspose, ComposeReshape>(patterns.getContext()); }

} // namespace hb
