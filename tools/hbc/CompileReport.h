// --time-report, --memory-report, --stats: what a compilation prints about itself.
#pragma once

#include "lowering/Pipeline.h"

#include <nlohmann/json.hpp>

namespace hb::tool {

/// {total_s, phases: {import: s, …}, kernels: [{name, s}]}.
nlohmann::json timeReport(const PipelineResult &result);

/// Prints what was decided about each kernel on stderr, `remark: <source>: <sentence>`, where a line matches `pattern` (ECMAScript
/// regular expression). HB0716 when the pattern is none.
void printRemarks(mlir::ModuleOp planned, const std::string &pattern);

/// Prints on stderr which kernels make use of `--math fast` and how; or that none does.
void printFastMath(mlir::ModuleOp planned);

/// Prints on stderr how each entry meets its `--memory-budget`, and what that costs.
void printBudget(mlir::ModuleOp planned, int64_t budget);

/// Prints a report on stdout: one JSON object for `json`, an indented text for `text`.
void printReport(const nlohmann::json &report, const std::string &form);

} // namespace hb::tool
