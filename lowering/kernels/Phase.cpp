#include "lowering/kernels/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace hb {

void buildKernelsPhase(OpPassManager &passes) {
  passes.addNestedPass<func::FuncOp>(createHbFormKernels());
  passes.addNestedPass<func::FuncOp>(createHbFuseEpilogues());
  passes.addNestedPass<func::FuncOp>(createCSEPass()); // scalar regions repeat what their parts had in common
  passes.addNestedPass<func::FuncOp>(createHbFusePrologues());
  passes.addNestedPass<func::FuncOp>(createHbSelectRecompute());
  passes.addNestedPass<func::FuncOp>(createHbSelectWinograd());
  passes.addNestedPass<func::FuncOp>(createHbNarrowStorage());
  passes.addPass(createHbOutlineKernels());
}

} // namespace hb
