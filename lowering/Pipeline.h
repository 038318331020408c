// The order of the phases between import and package. The only place that orders passes.
#pragma once

#include "lowering/emit/CodeBlob.h"
#include "lowering/emit/x86/EmitX86.h"
#include "lowering/emit/x86/Target.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <string>
#include <vector>

namespace hb {

/// Names of the phases, in order: import simplify fuse differentiate kernels plan emit package. `--stop-after` takes one.
const std::vector<std::string> &phaseNames();

/// Makes each phase before emit a pass pipeline of hb-opt, `--hb-phase-<name>`.
void registerPhases();

struct PipelineOptions {
  std::string stopAfter;                ///< a phase name; empty: all
  std::string dumpFolder;               ///< empty: none; else `<number>-<phase>.mlir` after every phase, and an index page
  std::string reproducer;               ///< empty: none; else where a failing phase leaves its input and passes for hb-opt
  std::vector<x86::X86Target> targets;  ///< variants to emit
};

struct PhaseTime {
  std::string name;
  double seconds = 0;
};

struct PipelineResult {
  std::vector<CodeBlob> code;
  EmitReport emitted;
  std::vector<PhaseTime> times;
};

/// Runs simplify … emit on an imported module, in place. Failure means that a diagnostic was emitted.
mlir::LogicalResult runPipeline(mlir::ModuleOp module, const PipelineOptions &options, PipelineResult &result);

} // namespace hb
