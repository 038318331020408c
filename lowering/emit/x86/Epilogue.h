// The scalar epilogue of contractions and of Winograd's output transform: accumulators in, stored result out.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// One row of the result (all indices but the last), given as a flat number, as indices, or both.
struct ResultRow {
  Value flat;
  SmallVector<Value> indices;       ///< filled on demand from `flat`
  SmallVector<Value> scalars;       ///< per extra: its value when it is the same along the row, loaded once
};

/// Values of the extras that depend on the column only, for one vector of columns; loaded once per tile.
using ColumnValues = SmallVector<Value>;

class Epilogue {
public:
  Epilogue(KernelBuilder &kb, mlir::Region &region, ValueRange extras, mlir::ArrayAttr maps, Value result);

  int cost() const { return cost_; }
  ColumnValues columns(Value column, int lanes, Value mask);
  /// Applies the region to `accumulators` (one, or value and gate) at (row, column…column+lanes) and stores.
  LogicalResult apply(ResultRow &row, Value column, int lanes, Value mask, const ColumnValues &columns, ArrayRef<Value> accumulators);

private:
  /// An access split for rows: offset = rowStride·flat + rest(column) when the leading dimensions collapse.
  struct Access {
    Operand operand;
    LaneAccess lanes;
    bool usesRow = false, usesColumn = false;
    std::optional<int64_t> flatStride; ///< set when the offset is linear in the flat row number
    int64_t constant = 0;              ///< the offset at row 0, column 0, when flatStride is set and the column is linear
  };
  Access describe(const Operand &operand, mlir::AffineMap map);
  Value read(const Access &access, ResultRow &row, Value column, int lanes, Value mask);
  std::optional<Value> linearOffset(const Access &access, ResultRow &row, Value column);
  SmallVector<Value> dims(ResultRow &row, Value column);

  KernelBuilder &kb_;
  mlir::Region &region_;
  SmallVector<int64_t> shape_;
  SmallVector<Access> extras_;
  Access result_;
  int cost_;
};

} // namespace hb::x86
