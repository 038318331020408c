#include "lowering/simplify/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace hb {

void buildSimplifyPhase(mlir::OpPassManager &passes) {
  passes.addPass(createHbInlineCalls());
  passes.addNestedPass<mlir::func::FuncOp>(createHbChannelsLast());
  passes.addNestedPass<mlir::func::FuncOp>(createHbHoistLoopInvariant());
  passes.addPass(createHbSimplify());
}

void registerSimplifyPasses() { registerHbSimplifyPasses(); }

} // namespace hb
