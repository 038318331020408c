// Walks an iteration space and computes one result element per point: the machinery of kernel.map and kernel.concat.
#pragma once

#include "lowering/emit/x86/Access.h"
#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// How a space is cut into tasks and loops; depends on shapes only. The last access of the space is the result's.
struct PointwisePlan {
  Space space;                       ///< dimensions in loop order; the last one lies on the lanes
  bool tiled = false;                ///< the last two dimensions are walked in square tiles (an operand runs along the last but one)
  unsigned transposed = 0;           ///< bit set of operands that are loaded along the last but one dimension and transposed
  unsigned prefix = 0;               ///< number of leading dimensions that tasks are made of
  int64_t laneBlocks = 1;            ///< pieces of the last dimension, as one more task dimension
  int64_t laneBlock = 0;             ///< elements of such a piece, a multiple of the vector
  int64_t chunk = 1;                 ///< consecutive task-dimension points per task
  int64_t grid = 1;
};
PointwisePlan planPointwise(Space space, ArrayRef<Type> elements);

/// Computes the result element(s) from the operands' elements in their stored types (vectors, or scalars where all lanes agree).
using PointBody = std::function<FailureOr<Value>(ArrayRef<Value> elements, int lanes)>;

/// Writes the loops of one task (`task` in [0, plan.grid)). `operands` in the order of the space's accesses, the result last.
LogicalResult emitPointwise(KernelBuilder &kb, const PointwisePlan &plan, ArrayRef<const Operand *> operands, Value task, const PointBody &body, int64_t unroll);

} // namespace hb::x86
