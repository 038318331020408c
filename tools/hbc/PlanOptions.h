// What hbc compile and hbc plan have in common: the options that decide a plan, and the imported module that carries them.
#pragma once

#include "tools/hbc/ModelOptions.h"

#include "lowering/Pipeline.h"
#include "lowering/package/WriteModule.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace hb::tool {

struct PlanOptions {
  ModelOptions model;
  std::string math = "strict", memoryBudget;
  std::vector<std::string> targets;

  void add(CLI::App &command);
  /// Bytes of --memory-budget, 0 without one. HB0717.
  int64_t budget() const;
  /// The targets, each once; of x86-64 the variants from the plainest to the widest: the run time takes the last one the machine can execute.
  /// HB0730 – HB0733.
  std::vector<CompileTarget> parsedTargets() const;
};

/// Imports the model and leaves on it what the phases are to know: budget, rounding, storage. Null when `sink` holds errors; HB0712, HB0717 and what
/// import throws. `options.model` is finished by this; `flags` are recorded in `info`.
mlir::OwningOpRef<mlir::ModuleOp> startModule(mlir::MLIRContext &context, PlanOptions &options, std::vector<std::string> flags, DiagnosticSink &sink, PackageInfo &info);

} // namespace hb::tool
