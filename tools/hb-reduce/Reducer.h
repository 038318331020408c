// Delta debugging: the smallest module that a command still finds interesting.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <string>
#include <vector>

namespace hb::reduce {

/// A command that is given a file and exits 0 while the file still shows the bug.
class InterestingnessTest {
public:
  /// `{}` in an argument stands for the file; without any it is appended. The program is looked for in PATH. A run longer than
  /// `timeoutSeconds` counts as not interesting.
  InterestingnessTest(std::vector<std::string> command, unsigned timeoutSeconds);
  /// Prints the module to a temporary file and runs the command. HB0741 when it cannot be started.
  bool operator()(mlir::ModuleOp module);
  size_t runs() const { return runs_; }

private:
  std::vector<std::string> command_;
  std::string program_;
  unsigned timeoutSeconds_;
  size_t runs_ = 0;
};

struct ReducerOptions {
  bool verify = true;                           ///< only modules that verify are tried
  std::function<void(const std::string &)> log; ///< one line for each success
};

/// Applies reductions() over and over, in halves, quarters, … of their places (Zeller and Hildebrandt, "Simplifying and isolating
/// failure-inducing input", 2002), until none helps. `module` must be interesting.
mlir::OwningOpRef<mlir::ModuleOp> reduceModule(mlir::OwningOpRef<mlir::ModuleOp> module, InterestingnessTest &test, const ReducerOptions &options);

} // namespace hb::reduce
