// What a planned module needs and does, as JSON: `hbc compile --memory-report=json` and `--stats=json`.
#pragma once

#include "dialects/plan/Plan.h"
#include "lowering/emit/CodeBlob.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <vector>

namespace hb {

/// Bytes of the weights that a program reads, as packed.
int64_t weightBytes(plan::ProgramOp program);

/// Floating point operations of a run, by the part of the program that does them.
struct StageFlops {
  int64_t forward = 0, backward = 0, recompute = 0;
  int64_t sum() const { return forward + backward + recompute; }
};
/// What the target's kernels do (`flops_executed` of kernel.def; before it is counted, what the algorithm needs). Bodies of loops with a run-time count
/// are counted once.
StageFlops executedFlops(plan::ProgramOp program);

/// Per entry: peak_bytes, lower_bound_bytes, weights_bytes (of the weights this entry reads, as packed), saved_bytes,
/// recomputed_bytes, largest (what is alive at the peak), saved (what is kept for the gradient, largest first). Needs a module after the plan phase.
nlohmann::json memoryReport(mlir::ModuleOp module);

/// Which kernels round more coarsely than `--math strict` would.
struct FastMathReport {
  size_t kernels = 0; ///< of the whole module
  std::map<std::string, std::vector<std::string>> uses; ///< what they do, in words, and their names
};
FastMathReport fastMathReport(mlir::ModuleOp module);

/// Per entry: ops, kernels, launches, flops_forward, flops_backward, flops_recompute (of the algorithm), flops_executed and its three parts
/// flops_executed_forward, … (of the kernels), code_bytes (of the first blob; all variants do the same), math, fast_math_kernels. Bodies of loops with a run-time count are counted once.
nlohmann::json statsReport(mlir::ModuleOp module, llvm::ArrayRef<CodeBlob> code);

/// Per entry: everything that memoryReport and statsReport say, and kernel_table (of each kernel: name, family, launches in a run, flops, flops_executed and
/// bytes of all of them, what it does, source) and recomputed (regions: from, to, source, launches, bytes, flops). `hbc plan --json`.
nlohmann::json planReport(mlir::ModuleOp module);

} // namespace hb
