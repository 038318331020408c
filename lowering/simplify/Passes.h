// The simplify phase: nn -> nn, on one function per entry.
#pragma once

#include "dialects/nn/Nn.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace hb {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lowering/simplify/Passes.h.inc"

/// Adds the passes of the phase to a pass manager of modules. Afterwards pictures are channels-last.
void buildSimplifyPhase(mlir::OpPassManager &passes);

/// For hb-opt and crash reproducers.
void registerSimplifyPasses();

} // namespace hb
