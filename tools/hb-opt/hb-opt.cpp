// hb-opt: reads MLIR text, runs the passes or whole phases named on the command line (ours and upstream's), writes MLIR text.
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "lowering/Pipeline.h"
#include "lowering/differentiate/Passes.h"
#include "lowering/fuse/Passes.h"
#include "lowering/kernels/Passes.h"
#include "lowering/plan/Passes.h"
#include "lowering/simplify/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  registry.insert<hb::grad::GradDialect, hb::nn::NnDialect, hb::kernel::KernelDialect, hb::plan::PlanDialect>();
  hb::registerSimplifyPasses();
  hb::registerFusePasses();
  hb::registerDifferentiatePasses();
  hb::registerHbKernelsPasses();
  hb::registerHbPlanPasses();
  hb::registerPhases();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Hummingbird's pass driver\n", registry));
}
