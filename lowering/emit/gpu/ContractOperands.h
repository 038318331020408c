// Where the terms of a contraction lie: a(row, term) and weight(term, column) for every form, as addresses that split into parts.
#pragma once

#include "lowering/emit/gpu/KernelBuilder.h"

namespace hb::gpu {

/// The rows of a contraction: element (row, term) lies at rowOffset(row) + termOffset(term) of `a`.
class ContractRows {
public:
  ContractRows(KernelBuilder &kb, kernel::ContractOp op);

  int64_t rows = 1, terms = 1;
  bool rowsFastest = false; ///< neighbouring rows are neighbours in memory (form outer), else neighbouring terms

  Value rowOffset(Value row) const;
  Value termOffset(Value term) const;
  Value load(Value offset) const { return kb.load(a, offset); }

private:
  KernelBuilder &kb;
  mutable kernel::ContractOp op; // accessors of ops are not const
  const Operand &a;
  SmallVector<int64_t> resultShape;
};

/// The weight of a contraction: element (term, column) in panels of 16, of the product's own direction or of the adjoint one, or a computed tensor.
class ContractColumns {
public:
  ContractColumns(KernelBuilder &kb, kernel::ContractOp op, int64_t terms);

  int64_t columns = 1;
  bool termsFastest = false; ///< neighbouring terms are neighbours in memory: panels of the adjoint product
  int halves = 1;            ///< 2: gated, value and gate

  /// The element's offset; term and column are in range. `half`: 0 value, 1 gate.
  Value offset(Value term, Value column, int half) const;
  Value load(Value offset) const { return kb.load(w, offset); }

private:
  KernelBuilder &kb;
  mutable kernel::ContractOp op; // accessors of ops are not const
  const Operand &w;
  int64_t terms, taps = 1, channels = 1; ///< channels: of the reduction, that a tap has
};

} // namespace hb::gpu
