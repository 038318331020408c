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

/// What a target asks of the phase.
struct KernelsOptions {
  bool winograd = true; ///< the target has the winograd family
};

/// Adds the passes of the phase to a pass manager of modules. Expects nn on channels-last pictures.
void buildKernelsPhase(mlir::OpPassManager &passes, const KernelsOptions &options);
inline void buildKernelsPhase(mlir::OpPassManager &passes) { buildKernelsPhase(passes, {}); }

} // namespace hb
