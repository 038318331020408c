// Values that a loop carries although nobody needs it to.
#include "lowering/simplify/Patterns.h"
#include "lowering/simplify/Permutation.h"

using namespace mlir;

namespace hb {

namespace {

/// A carried value that every iteration hands on unchanged is its initial value; one that nobody reads (its own next value
/// aside) is dropped.
struct DropCarried : OpRewritePattern<nn::RepeatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::RepeatOp op, PatternRewriter &rewriter) const override {
    Block &body = op.getBody().front();
    Operation *yield = body.getTerminator();
    llvm::SmallBitVector drop(op.getNumResults());
    for (unsigned i = 0; i < op.getNumResults(); ++i) {
      BlockArgument argument = body.getArgument(i + 1);
      if (yield->getOperand(i) == argument) {
        rewriter.replaceAllUsesWith(op.getResult(i), op.getInits()[i]);
        rewriter.replaceAllUsesWith(argument, op.getInits()[i]);
        drop.set(i);
      } else if (op.getResult(i).use_empty() && argument.use_empty()) {
        drop.set(i);
      }
    }
    if (drop.none())
      return failure();
    SmallVector<Value> inits, kept;
    SmallVector<Type> types;
    for (unsigned i = 0; i < op.getNumResults(); ++i)
      if (!drop.test(i)) {
        inits.push_back(op.getInits()[i]);
        kept.push_back(op.getResult(i));
        types.push_back(op.getResult(i).getType());
      }
    auto fresh = nn::RepeatOp::create(rewriter, op.getLoc(), types, op.getCount(), inits, op.getMaxTripCount());
    fresh->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    llvm::SmallBitVector arguments(op.getNumResults() + 1);
    for (unsigned i : drop.set_bits())
      arguments.set(i + 1);
    for (unsigned i = op.getNumResults(); i-- > 0;)
      if (drop.test(i))
        rewriter.modifyOpInPlace(yield, [&] { yield->eraseOperand(i); });
    fresh.getBody().takeBody(op.getBody());
    Block &moved = fresh.getBody().front();
    for (unsigned i = arguments.size(); i-- > 1;)
      if (arguments.test(i))
        moved.eraseArgument(i);
    for (auto [old, now] : llvm::zip_equal(kept, fresh.getResults()))
      rewriter.replaceAllUsesWith(old, now);
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void populateRepeatPatterns(RewritePatternSet &patterns) { patterns.add<DropCarried>(patterns.getContext()); }

} // namespace hb
