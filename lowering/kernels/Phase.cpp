#include "lowering/kernels/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace hb {

void buildKernelsPhase(OpPassManager &passes) {
  passes.addNestedPass<func::FuncOp>(createHbFormKernels());
  passes.addPass(createHbOutlineKernels());
}

} // namespace hb
