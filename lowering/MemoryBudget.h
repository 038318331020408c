// `--memory-budget`: what the phases tell each other about it. All of it is part of the program, so that a dump between two phases still knows.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace hb {

/// Of a module, bytes: what an entry's arena and packed weights may need together.
inline constexpr llvm::StringLiteral kBudgetAttribute = "nn.memory_budget";
/// Of a function, bytes: what an earlier plan needed beyond the estimate; the next choice stays so far below the budget.
inline constexpr llvm::StringLiteral kReserveAttribute = "nn.memory_reserve";
/// Of a module: what runs without a gradient reads the weights of what runs with one, instead of copies that are stacked and interleaved for fusion.
inline constexpr llvm::StringLiteral kSharedWeightsAttribute = "nn.shared_weights";
/// Of a module: no Winograd convolutions, whose transformed weights are 32/9 times the size of weights stored in 16 bits.
inline constexpr llvm::StringLiteral kDirectConvolutionsAttribute = "nn.direct_convolutions";
/// Of a function, then of its program: one entry for each region that is computed again, {from, to, source, launches, bytes, flops}.
inline constexpr llvm::StringLiteral kRecomputedAttribute = "kernel.recomputed";
/// Of a function: no choice fits by the estimate; the one that needs least was taken.
inline constexpr llvm::StringLiteral kUnfitAttribute = "kernel.over_budget";

} // namespace hb
