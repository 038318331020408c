#include "lowering/differentiate/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace hb {

void buildDifferentiatePhase(mlir::OpPassManager &passes) { passes.addNestedPass<mlir::func::FuncOp>(createHbDifferentiate()); }

void registerDifferentiatePasses() { registerHbDifferentiatePasses(); }

} // namespace hb
