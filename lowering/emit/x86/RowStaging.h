// The prologue of a contraction: a task's rows, normalised and mapped, laid out in its scratch for the micro-kernel.
#pragma once

#include "lowering/emit/x86/NormRows.h"

#include <optional>

namespace hb::x86 {

class RowStaging {
public:
  /// For blocks of at most `block` of the contraction's `rows` rows; `rowOffset` gives the element offset of a row of its operand a.
  RowStaging(KernelBuilder &kb, kernel::ContractOp op, int64_t rows, int64_t block, std::function<Value(Value)> rowOffset);

  /// Elements from one staged row to the next.
  int64_t stride() const { return stride_; }
  int64_t scratchBytes();
  /// Takes the memory from `scratch`; once, before `stage`.
  void reserve(Scratch scratch);
  /// Where row `first` of `stage` lies, f32.
  Value rows() const { return staged_; }
  LogicalResult stage(Value first, Value last);

private:
  /// The region on normalised elements, and the store.
  void finish(Value value, Value to, Value at, int lanes);
  Value load(Value from, Value at, int lanes);

  KernelBuilder &kb_;
  kernel::ContractOp op_;
  const Operand &a_;
  int64_t total_, block_, width_, stride_;
  std::function<Value(Value)> rowOffset_;
  NormOperands norm_;
  std::optional<GroupFactors> factors_;
  int64_t unroll_ = 4;
  Value staged_;
  bool failed_ = false;
};

} // namespace hb::x86
