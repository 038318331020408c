// The differentiate phase: nn and grad -> nn.
#pragma once

#include "dialects/grad/Grad.h"
#include "dialects/nn/Nn.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace hb {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lowering/differentiate/Passes.h.inc"

/// Adds the passes of the phase to a pass manager of modules. Expects functions without calls.
void buildDifferentiatePhase(mlir::OpPassManager &passes);

/// For hb-opt and crash reproducers.
void registerDifferentiatePasses();

} // namespace hb
