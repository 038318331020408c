#include "lowering/plan/Passes.h"

namespace hb {

void buildPlanPhase(mlir::OpPassManager &passes) {
  passes.addPass(createHbMakePlan());
  passes.addPass(createHbVerifyPlan());
}

} // namespace hb
