// What attention and its gradient are made of: register tiles of scalars times lane vectors, and rows turned onto the lanes.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// One head's rows of a tensor, reduced to what the loops need.
struct HeadRows {
  Value base;
  Value offset;   ///< of row 0 of this batch and head
  int64_t stride; ///< elements between rows
  Type element = nullptr; ///< null: f32

  Value row(KernelBuilder &kb, Value index) const { return kb.add(offset, kb.mul(index, stride)); }
};

/// The scalars of a register tile: factor(row, step) lies at offset + row·rowStride + step·stepStride.
struct TileFactors {
  Value base, offset;
  int64_t rowStride, stepStride;
};
/// The lane vectors of a register tile: panel p of a step lies at offset + step·stepStride + p·lanes.
struct TileVectors {
  Value base, offset;
  int64_t stepStride;
  Value tailMask = nullptr; ///< of the last panel, where that is not whole
};

/// Σ over `steps` of factor(row, step)·vector(step, panel), as `chains` interleaved sums added in the end; result[row·panels + panel].
SmallVector<Value> sumTile(KernelBuilder &kb, int64_t rows, int64_t panels, int64_t steps, const TileFactors &factors, const TileVectors &vectors, int64_t chains = 1);

/// Turns `count` rows from `firstRow` on onto lanes: target[offset + column·stride + row] = source(row, column)·factor for all columns;
/// up to the next whole vector the lanes repeat the last row.
void turnRows(KernelBuilder &kb, const HeadRows &source, Value firstRow, int64_t count, int64_t columns, Value target, Value offset, int64_t stride, double factor);

/// body(first, size) over [0, count) in steps of `size`, then the rest as one smaller piece.
void forRuns(KernelBuilder &kb, int64_t count, int64_t size, const std::function<void(Value first, int64_t size)> &body);

} // namespace hb::x86
