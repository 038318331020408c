// How the verifiers of the kernel ops speak.
#pragma once

#include "dialects/kernel/Kernel.h"

namespace hb::kernel {

inline mlir::RankedTensorType tensorType(mlir::Value value) { return mlir::cast<mlir::RankedTensorType>(value.getType()); }
inline llvm::ArrayRef<int64_t> shape(mlir::Value value) { return tensorType(value).getShape(); }
inline mlir::Type element(mlir::Value value) { return tensorType(value).getElementType(); }

/// Emits `expected …; found …` on `op` and returns failure.
mlir::LogicalResult violated(mlir::Operation *op, const llvm::Twine &expected, const llvm::Twine &found);
/// Fails unless `value` has exactly this shape; `what` names it.
mlir::LogicalResult expectShape(mlir::Operation *op, llvm::StringRef what, mlir::Value value, llvm::ArrayRef<int64_t> wanted);
mlir::LogicalResult expectRank(mlir::Operation *op, llvm::StringRef what, mlir::Value value, size_t rank);
/// Fails unless there is one map per value, each from `dims` dimensions to the value's rank.
mlir::LogicalResult expectMaps(mlir::Operation *op, mlir::ArrayAttr maps, mlir::ValueRange values, size_t dims);
/// Fails unless the region takes `accumulators` f32 and one element of each value, and yields one `result`.
mlir::LogicalResult expectScalars(mlir::Operation *op, mlir::Region &region, unsigned accumulators, mlir::ValueRange values, mlir::Type result);
std::string shapeText(llvm::ArrayRef<int64_t> shape);
/// The layout of a packed weight; dense when the type has no packed encoding.
WeightLayout layoutOf(mlir::Value weight);

} // namespace hb::kernel
