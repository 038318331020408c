// Building kernel.map ops: operands with affine maps, and the shapes-and-maps arithmetic around them.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"

namespace hb {

/// One operand of a map: `map` takes the result's indices to the value's; outside reads are zero when `zeroOutside`.
struct MapInput {
  mlir::Value value;
  mlir::AffineMap map;
  bool zeroOutside = false;
};

using ScalarBody = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)>;

inline mlir::RankedTensorType tensorOf(mlir::Value value) { return mlir::cast<mlir::RankedTensorType>(value.getType()); }
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return tensorOf(value).getShape(); }
/// Row-major without gaps: no strided encoding, not packed.
inline bool isContiguous(mlir::Value value) { return !tensorOf(value).getEncoding(); }

/// A kernel.map whose body is what `body` builds from one scalar per input. Equal inputs become one operand; splat constants
/// become scalar constants of the body, so `body` always gets `inputs.size()` values.
mlir::Value buildMap(mlir::OpBuilder &builder, mlir::Location where, mlir::RankedTensorType result, llvm::ArrayRef<MapInput> inputs, ScalarBody body);
/// A kernel.reduce over the dimensions of `result` and then those of `reduced`; what `body` yields is converted to f32.
mlir::Value buildReduce(mlir::OpBuilder &builder, mlir::Location where, mlir::RankedTensorType result, kernel::Combine combine,
                        llvm::ArrayRef<MapInput> inputs, llvm::ArrayRef<int64_t> reduced, ScalarBody body);
/// A map that only moves elements.
mlir::Value buildMove(mlir::OpBuilder &builder, mlir::Location where, mlir::RankedTensorType result, MapInput input);

/// NumPy's broadcasting of `from` to `to`, aligned at the last axis, as a map from the indices of `to` to those of `from`.
mlir::AffineMap broadcastMap(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> from, llvm::ArrayRef<int64_t> to);
/// From result indices to operand indices of a transposition (result axis i is operand axis permutation[i]).
mlir::AffineMap transposeMap(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> permutation);

/// `map` is the identity and both shapes agree.
bool isIdentity(mlir::AffineMap map, llvm::ArrayRef<int64_t> operand, llvm::ArrayRef<int64_t> result);

/// Index arithmetic of a contiguous view from `source` to `result` shape, as a map from result indices to source indices,
/// when each source axis is a product of consecutive result axes (an expansion; unit axes come and go freely): then no
/// division is needed. Nothing otherwise.
std::optional<mlir::AffineMap> expansionMap(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> source, llvm::ArrayRef<int64_t> result);

/// The same map with unit axes spelled one way: an index that can only be 0 is the dimension at the same position when that
/// is a unit axis too, else the constant 0. So a map that is the identity in effect is the identity in form.
mlir::AffineMap canonicalMap(mlir::AffineMap map, llvm::ArrayRef<int64_t> operand, llvm::ArrayRef<int64_t> space);

/// Index arithmetic of any contiguous view between shapes that group each other's axes: from result to source indices, with
/// floordiv and mod where the result collapses axes.
std::optional<mlir::AffineMap> reshapeMap(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> source, llvm::ArrayRef<int64_t> result);

/// Every index is a dimension or a constant and the dimensions ascend: a broadcast, no transposition. What epilogues read.
bool isBroadcastOnly(mlir::AffineMap map);

/// The operands of a map with their access.
llvm::SmallVector<MapInput> inputsOf(kernel::MapOp op);

/// Copies the ops of a one-block scalar region except its terminator; returns the value that was yielded.
mlir::Value inlineScalars(mlir::OpBuilder &builder, mlir::Region &region, mlir::ValueRange arguments);

/// A scalar constant with the one value of a splat `kernel.constant`, or null when `value` is none.
mlir::Value emitSplat(mlir::OpBuilder &builder, mlir::Location where, mlir::Value value);

} // namespace hb
