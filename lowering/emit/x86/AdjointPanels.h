// Panels of the adjoint product, made from the packing of the product itself while a task prepares its weights.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// A weight packed for the product whose adjoint is wanted: `[rows / 16][taps][columns][16]` from `offset` on. The adjoint sums over taps and
/// rows (the last taps first) and has `columns` columns.
struct AdjointWeight {
  Value base, offset;
  Type element;
  int64_t rows = 0, columns = 0, taps = 1;
  Value factor = nullptr; ///< when set: f32 by which all elements are multiplied

  int64_t rowPanels() const { return (rows + 15) / 16; }
  /// Elements from one panel of rows to the next, and from one of 16 columns to the next.
  int64_t rowPanelStride() const { return taps * columns * 16; }
  static constexpr int64_t columnPanelStride = 16 * 16;
};

/// Where the run of 16 rows under one tap that a term belongs to starts, in elements from the weight's base.
Value termBlock(KernelBuilder &kb, const AdjointWeight &weight, Value term);

/// Writes terms [firstTerm, endTerm) of `panels` panels of 16 columns from `firstPanel` on to target[(panel · held + term − firstTerm) · 16 + lane]
/// as f32, sixteen terms at once: up to 15 terms in front of the first and behind the last are written too.
void turnPanels(KernelBuilder &kb, const AdjointWeight &weight, Value firstPanel, int panels, Value firstTerm, Value endTerm, Value target, int64_t held);

/// Terms that `turnPanels` may write in front of a panel's first and behind its last.
inline constexpr int64_t turnedBorder = 16;

} // namespace hb::x86
