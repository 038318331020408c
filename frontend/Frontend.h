// From a model's folder or program to a module of nn ops.
#pragma once

#include "frontend/Diagnostic.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hb {

/// What `hbc compile` was asked to import.
struct ImportOptions {
  std::string model;                    ///< a pipeline folder, a component folder or a `.hb` file
  std::vector<std::string> entries;     ///< empty: every forward entry
  std::map<std::string, int64_t> dims;  ///< --dim
  std::optional<int> width, height, batchSize;
  int loraRank = 0;                     ///< 0: no adapter slots
  std::vector<std::string> loraTargets; ///< a linear is a site when its path is one of these or ends with "." and one
  std::string configPath, weightsDir;   ///< of a `.hb` file; weightsDir also replaces a component's weights
  std::string dtype = "f32";            ///< of activations: f32, bf16 or f16
  std::vector<std::pair<std::string, std::string>> rewards; ///< name and folder
  int steps = 0, gradSteps = 0;         ///< of the training entry; 0: not given
  std::optional<std::pair<int, int>> truncation; ///< fewest and most steps with a gradient, chosen at run time; none: always gradSteps
  int lvSamples = 0;                    ///< further noises of the last step (DRaFT-LV)
  bool stopGradInput = false, loraDropout = false, kl = false;
};

/// The module's attributes: `nn.scopes` ([{name, path, files}]), `nn.model` ({kind, path, class}). One func.func per entry, arguments
/// and results with `nn.name`; locations are NameLoc(module path) over FileLineColLoc. An entry asked for as `NAME_vjp` is
/// NAME with cotangents as further arguments and the results of a `grad.vjp` as further results.
/// Null when something was reported to the sink. Failures with nothing to point at throw hb::Error.
mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, const ImportOptions &options, DiagnosticSink &sink);

/// The tree of members that the selected entries instantiate: one row per module and parameter.
struct GraphRow {
  std::string scope, path, module; ///< module: the class of an instance; empty for a parameter
  std::vector<int64_t> shape;      ///< of a parameter
  std::string doc;
};
std::vector<GraphRow> moduleTree(mlir::MLIRContext &context, const ImportOptions &options, DiagnosticSink &sink);

} // namespace hb
