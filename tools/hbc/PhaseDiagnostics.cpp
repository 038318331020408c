#include "tools/hbc/PhaseDiagnostics.h"

#include "lowering/kernels/Source.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace hb::tool {

mlir::LogicalResult PhaseDiagnostics::report(mlir::Diagnostic &diagnostic) {
  std::string message = diagnostic.str(), number = "HB0999";
  // The pass manager's own summary says nothing that the first error has not said.
  if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error || message.starts_with("Failures have been detected"))
    return mlir::success();
  if (size_t at = message.find("HB0"); at != std::string::npos && at + 6 <= message.size()) {
    number = message.substr(at, 6);
    message.erase(at, message.compare(at + 6, 2, ": ") == 0 ? 8 : 6);
  }
  std::string source = sourceText(diagnostic.getLocation());
  std::fprintf(stderr, "error %s: %s: %s\n", number.c_str(), source.empty() ? "the compiler" : source.c_str(), message.c_str());
  const ErrorInfo *row = findError(std::atoi(number.c_str() + 2));
  if (!std::exchange(any_, true) && row)
    exitCode_ = row->exitCode;
  return mlir::success();
}

PhaseDiagnostics::PhaseDiagnostics(mlir::MLIRContext &context) : handler_(&context, [this](mlir::Diagnostic &diagnostic) { return report(diagnostic); }) {}

} // namespace hb::tool
