// How the verifiers of the nn ops speak: every failed constraint names its label in the op's description, what was expected
// and what was found.
#pragma once

#include "dialects/nn/Nn.h"

namespace hb::nn {

/// `2x64x320` (or `scalar`), as diagnostics print shapes.
std::string shapeText(llvm::ArrayRef<int64_t> shape);
std::string typeText(mlir::Type type);

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return mlir::cast<mlir::RankedTensorType>(value.getType()).getShape(); }
inline mlir::Type elementOf(mlir::Value value) { return mlir::cast<mlir::RankedTensorType>(value.getType()).getElementType(); }
inline int64_t rankOf(mlir::Value value) { return static_cast<int64_t>(shapeOf(value).size()); }

/// Emits `(C1) expected …; found …` on `op` and returns failure.
mlir::LogicalResult violated(mlir::Operation *op, llvm::StringRef label, const llvm::Twine &expected, const llvm::Twine &found);

/// Fails unless `value` has exactly `shape`; `what` names it ("the result", "bias").
mlir::LogicalResult expectShape(mlir::Operation *op, llvm::StringRef label, llvm::StringRef what, mlir::Value value, llvm::ArrayRef<int64_t> shape);

/// Fails unless `value` has `rank` axes; `what` says how they are laid out ("weight as [N, K]").
mlir::LogicalResult expectRank(mlir::Operation *op, llvm::StringRef label, llvm::StringRef what, mlir::Value value, int64_t rank);

/// What dropout reads besides its tensor: nothing, or a probability and three i64 scalars (seed, step, site); and `x` is small enough.
mlir::LogicalResult verifyDrop(mlir::Operation *op, llvm::StringRef label, mlir::ValueRange drop, mlir::Value x);

/// The shape NumPy's broadcasting gives two shapes (aligned at the last axis); nothing when they do not fit.
std::optional<llvm::SmallVector<int64_t>> broadcastShapes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

} // namespace hb::nn
