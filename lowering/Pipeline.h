// The order of the phases between import and package. The only place that orders passes.
#pragma once

#include "lowering/emit/CodeBlob.h"
#include "lowering/emit/EmitReport.h"
#include "lowering/emit/nvvm/Target.h"
#include "lowering/emit/x86/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hb {

/// Names of the phases, in order: import simplify fuse differentiate kernels plan emit package. `--stop-after` takes one.
const std::vector<std::string> &phaseNames();

/// Makes each phase before emit a pass pipeline of hb-opt, `--hb-phase-<name>`.
void registerPhases();

/// One target of a compilation. A CPU has variants, of which the run time takes the widest that the machine can execute.
struct CompileTarget {
  std::string name;                    ///< "x86-64", "cuda:sm_80"
  std::vector<x86::X86Target> x86;     ///< variants to emit
  std::optional<nvvm::CudaTarget> cuda;
};

struct PipelineOptions {
  std::string stopAfter;                ///< a phase name; empty: all
  std::string dumpFolder;               ///< empty: none; else `<number>-<phase>.mlir` after every phase, and an index page
  std::string reproducer;               ///< empty: none; else where a failing phase leaves its input and passes for hb-opt
  std::vector<CompileTarget> targets;   ///< at least one
};

struct PhaseTime {
  std::string name;
  double seconds = 0;
};

/// The program of a target after the last phase that ran, and its machine code.
struct TargetProgram {
  std::string name;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<CodeBlob> code;
};

struct PipelineResult {
  std::vector<TargetProgram> targets; ///< as in the options
  EmitReport emitted;
  std::vector<PhaseTime> times;
};

/// Runs simplify … emit on an imported module, for each target on a copy of it. Failure means that a diagnostic was emitted.
mlir::LogicalResult runPipeline(mlir::OwningOpRef<mlir::ModuleOp> module, const PipelineOptions &options, PipelineResult &result);

} // namespace hb
