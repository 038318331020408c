// How the operands and the result of a map or reduction walk through memory: affine maps and layouts, reduced to offsets.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"

namespace hb::x86 {

/// Element offset and element strides of a tensor type in its buffer (`#kernel.strided`, else row-major).
struct Strides {
  int64_t offset = 0;
  llvm::SmallVector<int64_t> strides;
};
Strides stridesOf(mlir::RankedTensorType type);

/// One index of an operand that is no linear function of the loop indices, or that may lie outside and then reads as zero.
struct IndexTerm {
  mlir::AffineExpr expr;
  int64_t stride = 0; ///< elements
  int64_t size = 0;   ///< zero outside [0, size); 0: always inside
};

/// offset + Σ coefs[d]·d + Σ stride·expr(d), in elements.
struct Access {
  int64_t offset = 0;
  llvm::SmallVector<int64_t> coefs;
  llvm::SmallVector<IndexTerm> terms;

  /// Whether a term depends on loop dimension `dim`.
  bool dependsInTerms(unsigned dim) const;
  bool bounded() const {
    return llvm::any_of(terms, [](const IndexTerm &term) { return term.size != 0; });
  }
};

/// A rectangular iteration space and the accesses made in each of its points.
struct Space {
  llvm::SmallVector<int64_t> extents;
  llvm::SmallVector<Access> accesses;

  int64_t points() const;
  /// Reorders the dimensions: new dimension i is the old one order[i].
  void permute(llvm::ArrayRef<unsigned> order);
};

/// What an access is made of before the space is normalised.
struct AccessSource {
  mlir::AffineMap map; ///< from the space's indices to the tensor's
  mlir::RankedTensorType type;
  bool zeroOutside = false;
};

/// Builds the space: indices made of floordiv and mod become linear by splitting dimensions where extents allow. Dimensions that every access
/// walks as one are merged, but never across a position in `barriers` (first dimension after the barrier, in the given space).
/// `barriers` is updated to the normalised space's positions.
Space makeSpace(llvm::ArrayRef<int64_t> extents, llvm::ArrayRef<AccessSource> sources, llvm::SmallVectorImpl<unsigned> &barriers);

} // namespace hb::x86
