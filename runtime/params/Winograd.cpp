#include "runtime/params/Winograd.h"

#include <cstddef>

namespace hb {
namespace {

/// Row i of G for a point a is [1, a, a²] / Π(a − other points); the last row, for infinity, is [0, 0, 1] (Toom-Cook).
std::vector<double> toomCook(std::vector<double> points) {
  std::vector<double> g;
  for (double a : points) {
    double divisor = 1;
    for (double b : points)
      divisor *= a == b ? 1 : a - b;
    g.insert(g.end(), {1 / divisor, a / divisor, a * a / divisor});
  }
  g.insert(g.end(), {0, 0, 1});
  return g;
}

std::vector<double> pointsOf(int tile) { return tile == 2 ? std::vector<double>{0, 1, -1} : std::vector<double>{0, 0.75, -0.75, 1.5, -1.5}; }

} // namespace

WinogradTransform winogradTransform(int rowTile, int columnTile) { return {toomCook(pointsOf(rowTile)), toomCook(pointsOf(columnTile))}; }

void WinogradTransform::weights(const float *taps, float *out) const {
  std::size_t n = rows.size() / 3, m = columns.size() / 3;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j) {
      double sum = 0;
      for (int y = 0; y < 3; ++y)
        for (int x = 0; x < 3; ++x)
          sum += rows[i * 3 + y] * static_cast<double>(taps[y * 3 + x]) * columns[j * 3 + x];
      out[i * m + j] = static_cast<float>(sum);
    }
}

void WinogradTransform::panelWeights(const float *taps, float *out, int64_t planeStride) const {
  constexpr int kLanes = 16;
  std::size_t n = rows.size() / 3, m = columns.size() / 3;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j) {
      double sum[kLanes] = {};
      for (int y = 0; y < 3; ++y)
        for (int x = 0; x < 3; ++x) {
          double row = rows[i * 3 + y], column = columns[j * 3 + x];
          if (row == 0 || column == 0) // a third of the matrices' entries; adding zero changes no bit of a finite sum
            continue;
          const float *tap = taps + (y * 3 + x) * kLanes;
          for (int lane = 0; lane < kLanes; ++lane)
            sum[lane] += row * static_cast<double>(tap[lane]) * column;
        }
      float *target = out + static_cast<int64_t>(i * m + j) * planeStride;
      for (int lane = 0; lane < kLanes; ++lane)
        target[lane] = static_cast<float>(sum[lane]);
    }
}

} // namespace hb
