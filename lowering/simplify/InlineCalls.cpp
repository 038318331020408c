// Inlining of whole functions. Networks are trees of calls without recursion, and every function is one block, so a call is
// replaced by a clone of that block; the size this costs is bounded by the number of calls the program writes down.
#include "lowering/simplify/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBINLINECALLS
#include "lowering/simplify/Passes.h.inc"

namespace {

class InlineCalls : public impl::HbInlineCallsBase<InlineCalls> {
  /// Replaces `call`; returns the calls that came with the body.
  void inlineCall(func::CallOp call, func::FuncOp callee, SmallVectorImpl<func::CallOp> &more) {
    IRMapping map;
    map.map(callee.getArguments(), call.getOperands());
    OpBuilder builder(call);
    Block &body = callee.getBody().front();
    for (Operation &op : body.without_terminator())
      builder.clone(op, map)->walk([&](func::CallOp inner) { more.push_back(inner); });
    SmallVector<Value> results;
    for (Value value : body.getTerminator()->getOperands())
      results.push_back(map.lookupOrDefault(value));
    call.replaceAllUsesWith(results);
    call.erase();
    ++inlined;
  }

  /// A function that reaches itself cannot be inlined, so it is refused up front.
  bool reachesItself(func::FuncOp function, func::FuncOp start, llvm::DenseSet<Operation *> &seen) {
    bool found = false;
    function.walk([&](func::CallOp call) {
      auto callee = symbols_->lookup<func::FuncOp>(call.getCallee());
      found = found || callee == start || (callee && seen.insert(callee).second && reachesItself(callee, start, seen));
    });
    return found;
  }

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    symbols_ = &symbols;
    SmallVector<func::CallOp> calls;
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
      llvm::DenseSet<Operation *> seen;
      if (reachesItself(function, function, seen)) {
        function.emitError("expected a network without recursion; found a function that calls itself");
        return signalPassFailure();
      }
      function.walk([&](func::CallOp call) { calls.push_back(call); });
    }
    while (!calls.empty()) {
      func::CallOp call = calls.pop_back_val();
      auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
      if (!callee || callee.isExternal() || !callee.getBody().hasOneBlock()) {
        call.emitError("expected a call of a function with a body of one block; found @") << call.getCallee();
        return signalPassFailure();
      }
      inlineCall(call, callee, calls);
    }
    for (func::FuncOp function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (function.isPrivate())
        function.erase();
  }

  SymbolTable *symbols_ = nullptr;
};

} // namespace
} // namespace hb
