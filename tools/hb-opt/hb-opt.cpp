// hb-opt: reads MLIR text, runs the passes named on the command line (ours and upstream's), writes MLIR text.
#include "dialects/nn/Nn.h"
#include "lowering/differentiate/Passes.h"
#include "lowering/fuse/Passes.h"
#include "lowering/simplify/Passes.h"
#ifdef HB_OPT_KERNELS
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "lowering/kernels/Passes.h"
#include "lowering/plan/Passes.h"
#endif

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  registry.insert<hb::grad::GradDialect, hb::nn::NnDialect>();
  hb::registerSimplifyPasses();
  hb::registerFusePasses();
  hb::registerDifferentiatePasses();
#ifdef HB_OPT_KERNELS
  registry.insert<hb::kernel::KernelDialect, hb::plan::PlanDialect>();
  hb::registerHbKernelsPasses();
  hb::registerHbPlanPasses();
#endif
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Hummingbird's pass driver\n", registry));
}
