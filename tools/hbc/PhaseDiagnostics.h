// Failures of phases in the project's form.
#pragma once

#include "mlir/IR/Diagnostics.h"

namespace hb::tool {

/// While alive, errors that MLIR reports appear on stderr as `error HB0801: <file>:<line> <module path>: …`; those without a
/// number of their own are internal errors (HB0999). Notes about the failing operation are left out: the reproducer has it.
class PhaseDiagnostics {
public:
  explicit PhaseDiagnostics(mlir::MLIRContext &context);

private:
  mlir::ScopedDiagnosticHandler handler_;
};

} // namespace hb::tool
