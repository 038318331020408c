#include "lowering/fuse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace hb {

void buildFusePhase(mlir::OpPassManager &passes) {
  passes.addNestedPass<mlir::func::FuncOp>(createHbFuseGatedLinear());
  passes.addNestedPass<mlir::func::FuncOp>(createHbMergeProjections());
}

void registerFusePasses() { registerHbFusePasses(); }

} // namespace hb
