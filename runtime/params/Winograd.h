// The weight side of Winograd convolution: U = G₁ g G₂ᵀ (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural
// Networks"), in float64, rounded once to float32.
#pragma once

#include <cstdint>
#include <vector>

namespace hb {

/// F(m_rows, 3) on rows and F(m_cols, 3) on columns. F(4, 3) uses the points 0, ±3/4, ±3/2: their transforms are exact binary
/// fractions and halve the error of the usual ±1, ±2. The divisors of the points are all on this side.
struct WinogradTransform {
  std::vector<double> rows, columns; ///< G matrices, [m + 2][3]

  int planes() const { return static_cast<int>(rows.size() / 3 * (columns.size() / 3)); }
  /// `taps`: 3×3 row-major; `out[planes()]`: plane = row index · columns + column index.
  void weights(const float *taps, float *out) const;
  /// The same bits for a panel of 16 filters: `taps` is [9][16], plane p goes to `out[p · planeStride + lane]`.
  void panelWeights(const float *taps, float *out, int64_t planeStride) const;
};

/// `rowTile`, `columnTile`: 2 or 4.
WinogradTransform winogradTransform(int rowTile, int columnTile);

} // namespace hb
