// Reads and writes one row of an iteration space: all loop indices fixed except one, which runs over vector lanes.
#pragma once

#include "lowering/emit/x86/Access.h"
#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// One operand along one row. Everything that does not depend on the lane index is computed on construction, so construct it outside the
/// lane loop.
class AccessRow {
public:
  /// `dims` are the loop indices; the entry of `laneDim` is ignored.
  AccessRow(KernelBuilder &kb, const Operand &operand, const Access &access, ArrayRef<Value> dims, unsigned laneDim);

  /// Elements at lane indices at … at + lanes − 1 in the stored type: a vector, or a scalar when lanes == 1 or when they are all the same.
  /// Elements outside (zero_outside) are zero and are not read.
  Value load(Value at, int lanes) const;
  /// Stores a vector, or a scalar when lanes == 1.
  void store(Value value, Value at, int lanes) const;
  /// Whether lanes are neighbours in memory or all the same element.
  bool vectorial() const { return laneTerms_.empty() && (coef_ == 0 || coef_ == 1); }

private:
  Value inside(AffineExpr expr, ArrayRef<Value> dims, int64_t size, Value &index) const;
  Value loadElement(Value at) const;
  Value loadMasked(Value at, int lanes) const;
  Value zeroUnlessValid(Value value) const;

  KernelBuilder &kb;
  const Operand &operand_;
  SmallVector<Value> dims_;
  unsigned laneDim_;
  Value base_;  ///< element offset of lane index 0
  Value valid_; ///< i1: the row is inside; null: always
  int64_t coef_ = 0;
  SmallVector<IndexTerm> laneTerms_; ///< those that depend on the lane index
  bool clipped_ = false;             ///< contiguous, lane indices outside [low_, high_) read as zero
  Value low_, high_;
  Value uniform_;
};

} // namespace hb::x86
