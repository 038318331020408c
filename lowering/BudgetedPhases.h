// The phases up to the plan, run until every entry fits its memory budget.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace hb {

/// Runs the phases up to the plan until every entry fits. The choice of what to recompute works with an estimate; the plan is what counts, and where it
/// needs more than estimated, the choice is made again with that much less. Where no choice can fit, weights are packed in fewer ways.
class BudgetedPhases {
public:
  /// `budget` in bytes, for the arena and the packed weights of an entry.
  BudgetedPhases(mlir::ModuleOp module, int64_t budget);

  /// Whether planning can be spared: no choice fits by the estimate, and there is something left to trade.
  bool isHopeless();

  /// `phases` runs them on the module, to the plan or to where isHopeless() says so. Fails after a diagnostic (HB0831 where nothing fits).
  mlir::LogicalResult run(llvm::function_ref<mlir::LogicalResult()> phases);

private:
  void addReserve(mlir::StringRef entry, int64_t bytes);
  /// An attribute of the table of trades, or null when all are made.
  mlir::StringAttr nextTrade();
  /// Makes the next trade; false when there is none.
  bool trade();
  void restart();

  mlir::ModuleOp module_;
  int64_t budget_;
  mlir::OwningOpRef<mlir::ModuleOp> start_; ///< as imported
};

} // namespace hb
