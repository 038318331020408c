// One place where everything local is brought to its canonical form: patterns, then equal ops merge; both again only while
// merging made new matches (in practice two rounds).
#include "lowering/simplify/Passes.h"
#include "lowering/simplify/Patterns.h"

#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBSIMPLIFY
#include "lowering/simplify/Passes.h.inc"

namespace {

class Simplify : public impl::HbSimplifyBase<Simplify> {
public:
  using HbSimplifyBase::HbSimplifyBase;

private:
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet patterns(context);
    populateAxisPatterns(patterns);
    populateScalarPatterns(patterns);
    populateRepeatPatterns(patterns);
    populateConstantFold(patterns, foldLimit);
    patterns_ = FrozenRewritePatternSet(std::move(patterns));
    return success();
  }

  void runOnOperation() override {
    eraseUncalled();
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
      bool changed = true;
      while (changed) {
        bool byPatterns = false, byMerging = false;
        if (failed(applyPatternsGreedily(function, patterns_, GreedyRewriteConfig().setMaxIterations(GreedyRewriteConfig::kNoLimit), &byPatterns))) {
          function.emitError("expected the patterns to come to an end; found that they kept changing the function");
          return signalPassFailure();
        }
        DominanceInfo dominance(function);
        IRRewriter rewriter(&getContext());
        eliminateCommonSubExpressions(rewriter, dominance, function, &byMerging);
        changed = byMerging;
        ++rounds;
      }
    }
  }

  /// Private functions that nothing refers to, and what becomes so by erasing them.
  void eraseUncalled() {
    bool erased = true;
    while (erased) {
      erased = false;
      for (func::FuncOp function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
        if (function.isPrivate() && SymbolTable::symbolKnownUseEmpty(function, getOperation())) {
          function.erase();
          erased = true;
        }
    }
  }

  FrozenRewritePatternSet patterns_;
};

} // namespace
} // namespace hb
