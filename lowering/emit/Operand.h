// A kernel's tensor as its code addresses it. Shared by all emitters.
#pragma once

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

namespace hb::emit {

using mlir::AffineExpr;
using mlir::AffineMap;
using mlir::ArrayRef;
using mlir::SmallVector;
using mlir::Type;
using mlir::Value;

/// A tensor of the kernel (operand or result) as the code sees it: where it starts, its element type and where index
/// (i0, i1, …) lies: element offset + Σ ik·strides[k] from the start of the buffer.
struct Operand {
  Value base;                   ///< !llvm.ptr, start of the buffer
  mlir::RankedTensorType type;  ///< logical type
  int64_t offset = 0;           ///< elements
  SmallVector<int64_t> strides; ///< elements, one per dimension; row-major when packed (of no use then)

  /// The operand at `base` as its type's encoding lays it out.
  static Operand describe(Value base, mlir::RankedTensorType type);

  Type element() const { return type.getElementType(); }
  ArrayRef<int64_t> shape() const { return type.getShape(); }
  int64_t rank() const { return type.getRank(); }
  /// True when dimensions [first, last) are laid out as one, whose stride is that of the innermost of them longer than 1.
  bool collapses(int64_t first, int64_t last) const;
  /// Row-major, contiguous, whole tensor: one flat run of numElements() from `offset`.
  bool contiguous() const;
};

/// How the address of an operand element moves along one loop dimension that is laid on the vector lanes.
struct LaneAccess {
  enum Kind { Uniform, Contiguous, Strided, Irregular } kind;
  int64_t stride = 0;   ///< Strided: elements per lane
  AffineExpr offset;    ///< element offset from the buffer start, in the loop dimensions
};

} // namespace hb::emit
