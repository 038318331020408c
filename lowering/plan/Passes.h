// The plan phase: functions of launches -> plan.program.
#pragma once

#include "dialects/plan/Plan.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace hb {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lowering/plan/Passes.h.inc"

/// Adds the passes of the phase to a pass manager of modules, the checking one included.
void buildPlanPhase(mlir::OpPassManager &passes);

} // namespace hb
