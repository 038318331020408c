// One thread for one or four neighbouring elements of a result: the machinery of kernel.map and kernel.concat.
#pragma once

#include "lowering/emit/gpu/KernelBuilder.h"

namespace hb::gpu {

/// An operand of a pointwise kernel: where the element for a result index lies.
struct PointwiseAccess {
  const Operand *operand;
  AffineMap map;            ///< result indices to the operand's
  bool zeroOutside = false; ///< an index outside the operand reads as zero
};

/// Threads of a block.
constexpr int64_t pointwiseBlock = 256;

class Pointwise {
public:
  /// `result` may be a part of the tensor that is written.
  Pointwise(KernelBuilder &kb, SmallVector<PointwiseAccess> accesses, const Operand &result);

  int64_t blocks() const { return blocks_; }
  /// Writes the work of block `block` in [0, blocks()): `body` gets the operands' elements as stored (vectors, or scalars where all lanes
  /// agree) and returns the result's, in f32 or the stored type.
  LogicalResult emit(Value block, const std::function<FailureOr<Value>(ArrayRef<Value>)> &body);

private:
  bool vectorizes();
  int64_t alignmentOf(const Operand &operand, AffineMap map);
  Value read(const PointwiseAccess &access, ArrayRef<Value> dims);

  KernelBuilder &kb_;
  SmallVector<PointwiseAccess> accesses_;
  Operand result_;
  AffineMap identity_;
  SmallVector<int64_t> space_; ///< of result indices
  unsigned last_ = 0;
  int lanes_ = 1;
  int64_t points_ = 1, blocks_ = 1;
};

} // namespace hb::gpu
