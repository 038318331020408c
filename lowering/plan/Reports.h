// What a planned module needs and does, as JSON: `hbc compile --memory-report=json` and `--stats=json`.
#pragma once

#include "lowering/emit/CodeBlob.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include <nlohmann/json.hpp>

namespace hb {

/// Per entry: peak_bytes, lower_bound_bytes, weights_bytes (of the weights this entry reads, as packed), saved_bytes,
/// recomputed_bytes, largest (what is alive at the peak). Needs a module after the plan phase.
nlohmann::json memoryReport(mlir::ModuleOp module);

/// Per entry: ops, kernels, launches, flops_forward, flops_backward, flops_recompute, code_bytes (of the first blob; all
/// variants do the same). Bodies of loops with a run-time count are counted once.
nlohmann::json statsReport(mlir::ModuleOp module, llvm::ArrayRef<CodeBlob> code);

} // namespace hb
