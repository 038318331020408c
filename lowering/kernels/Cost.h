// What a kernel does and touches, from its shapes alone.
#pragma once

#include "dialects/kernel/Kernel.h"

namespace hb {

/// Algorithmic floating point operations of a family op: a multiply-add is 2, every arith or math op of a region 1 per element.
int64_t kernelFlops(mlir::Operation *op);
/// The part of it that matrix products are: where a target's kernels may do more, or less, than the algorithm.
int64_t productFlops(mlir::Operation *op);
/// Bytes of the tensors it reads and writes, each counted once.
int64_t kernelBytes(mlir::Operation *op);
/// Bytes a tensor of this type occupies in memory, panels padded (without the readable bytes behind it).
int64_t tensorBytes(mlir::RankedTensorType type);

} // namespace hb
