// The kernels phase: nn -> kernel.def and launches.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "dialects/nn/Nn.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace hb {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lowering/kernels/Passes.h.inc"

/// Adds the passes of the phase to a pass manager of modules. Expects nn on channels-last pictures; what they do for a target is in TargetTraits.h.
void buildKernelsPhase(mlir::OpPassManager &passes);

} // namespace hb
