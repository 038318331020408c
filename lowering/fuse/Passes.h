// The fuse phase: nn -> nn, larger ops.
#pragma once

#include "dialects/nn/Nn.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace hb {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lowering/fuse/Passes.h.inc"

/// Adds the passes of the phase to a pass manager of modules. Expects what the simplify phase leaves.
void buildFusePhase(mlir::OpPassManager &passes);

/// For hb-opt and crash reproducers.
void registerFusePasses();

} // namespace hb
