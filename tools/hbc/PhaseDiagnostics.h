// Failures of phases in the project's form.
#pragma once

#include "runtime/base/Error.h"

#include "mlir/IR/Diagnostics.h"

namespace hb::tool {

/// While alive, errors that MLIR reports appear on stderr as `error HB0801: <file>:<line> <module path>: …`; those without a
/// number of their own are internal errors (HB0999). Notes about the failing operation are left out: the reproducer has it.
class PhaseDiagnostics {
public:
  explicit PhaseDiagnostics(mlir::MLIRContext &context);
  /// What the first error asks for.
  ExitCode exitCode() const { return exitCode_; }

private:
  mlir::LogicalResult report(mlir::Diagnostic &diagnostic);

  bool any_ = false;
  ExitCode exitCode_ = ExitCode::Internal;
  mlir::ScopedDiagnosticHandler handler_;
};

} // namespace hb::tool
