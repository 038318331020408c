// Small random networks of nn ops: what passes are tested on beyond hand-written examples.
#pragma once

#include "dialects/nn/Nn.h"
#include "dialects/nn/reference/Evaluator.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <cstdint>

namespace hb::test {

/// A module with one function @f on pictures [2, C, H, W] and tokens, made of convolutions, norms, residuals, skips,
/// attention, gates and loops the way real networks use them. The same seed gives the same module. All floats are f64, so
/// that folding constants rounds nothing and results may be compared tightly.
mlir::OwningOpRef<mlir::ModuleOp> randomGraph(mlir::MLIRContext &context, uint64_t seed);

/// Parameter values that depend only on scope, key and index.
std::vector<double> randomParameter(llvm::StringRef scope, llvm::StringRef key, mlir::RankedTensorType type);

/// Inputs for @f that depend only on the seed.
std::vector<nn::Tensor> randomInputs(mlir::func::FuncOp function, uint64_t seed);

} // namespace hb::test
