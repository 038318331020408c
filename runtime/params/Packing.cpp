#include "runtime/params/Packing.h"

#include "runtime/base/Error.h"
#include "runtime/params/Winograd.h"

#include <cstring>

namespace hb {
namespace {

/// Lanes of a panel: one AVX-512 vector, two AVX2 vectors, of float32.
constexpr int64_t kPanel = 16;

int64_t product(std::span<const int64_t> extents) {
  int64_t count = 1;
  for (int64_t extent : extents)
    count *= extent;
  return count;
}

/// Rows and reduction length of a weight: axis 0, and everything after it.
struct Matrix {
  int64_t rows, k;
  int64_t channels, taps; ///< k = taps · channels; taps > 1 for convolutions, whose stored order is [channels][taps]
};

Matrix matrixOf(const std::vector<int64_t> &shape) {
  Matrix m{shape.empty() ? 1 : shape[0], 1, 1, 1};
  m.k = shape.size() < 2 ? 1 : product(std::span(shape).subspan(1));
  m.taps = shape.size() == 4 ? shape[2] * shape[3] : 1;
  m.channels = m.taps ? m.k / m.taps : m.k;
  return m;
}

int64_t roundUp(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

int64_t packedElements(const WeightSpec &spec) {
  Matrix m = matrixOf(spec.shape);
  switch (spec.layout) {
  case WeightLayout::Dense:
    return product(spec.shape);
  case WeightLayout::Panel16:
    return roundUp(m.rows, kPanel) * m.k;
  case WeightLayout::GatedPanel16:
    return 2 * roundUp(m.rows / 2, kPanel) * m.k;
  case WeightLayout::WinogradF2:
    return 16 * roundUp(m.rows, kPanel) * m.channels;
  case WeightLayout::WinogradF4x2:
    return 24 * roundUp(m.rows, kPanel) * m.channels;
  }
  return 0;
}

/// The row of the packed matrix (panel · 16 + lane) that holds logical row `row`.
int64_t packedRow(const WeightSpec &spec, int64_t rows, int64_t row) {
  if (spec.layout != WeightLayout::GatedPanel16)
    return row;
  int64_t half = rows / 2, gate = row >= half, r = gate ? row - half : row;
  return (r / kPanel * 2 + gate) * kPanel + r % kPanel;
}

/// Copies one source row, already of the packed type, into its lane. Reads run through the row, writes are 16 elements apart.
template <typename Element>
void scatterRow(const std::byte *row, const Matrix &m, int64_t packed, Element *target) {
  Element *lane = target + packed / kPanel * kPanel * m.k + packed % kPanel;
  for (int64_t c = 0; c < m.channels; ++c)
    for (int64_t t = 0; t < m.taps; ++t) {
      Element value;
      std::memcpy(&value, row + (c * m.taps + t) * sizeof(Element), sizeof(Element));
      lane[(t * m.channels + c) * kPanel] = value;
    }
}

void packPanels(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target) {
  std::memset(target, 0, packedSize(spec));
  Matrix all = matrixOf(spec.shape);
  std::vector<float> wide(all.k);
  std::vector<std::byte> narrow(all.k * dtypeSize(spec.dtype));
  int64_t row = 0;
  for (size_t s = 0; s < sources.size(); ++s) {
    Matrix m = matrixOf(spec.sources[s].shape);
    uint64_t rowBytes = m.k * dtypeSize(sources[s].dtype);
    for (int64_t r = 0; r < m.rows; ++r, ++row) {
      const std::byte *source = sources[s].data + r * rowBytes;
      if (sources[s].dtype != spec.dtype) {
        convertToFloat(sources[s].dtype, source, m.k, wide.data());
        convertFromFloat(spec.dtype, wide.data(), m.k, narrow.data());
        source = narrow.data();
      }
      int64_t packed = packedRow(spec, all.rows, row);
      if (dtypeSize(spec.dtype) == 2)
        scatterRow(source, m, packed, reinterpret_cast<uint16_t *>(target));
      else
        scatterRow(source, m, packed, reinterpret_cast<uint32_t *>(target));
    }
  }
}

void packDense(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target) {
  std::vector<float> wide;
  for (size_t s = 0; s < sources.size(); ++s) {
    int64_t count = product(spec.sources[s].shape);
    if (sources[s].dtype == spec.dtype) {
      std::memcpy(target, sources[s].data, count * dtypeSize(spec.dtype));
    } else if (spec.dtype == DType::F32) {
      convertToFloat(sources[s].dtype, sources[s].data, count, reinterpret_cast<float *>(target));
    } else {
      wide.resize(count);
      convertToFloat(sources[s].dtype, sources[s].data, count, wide.data());
      convertFromFloat(spec.dtype, wide.data(), count, target);
    }
    target += count * dtypeSize(spec.dtype);
  }
}

void packWinograd(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target) {
  std::memset(target, 0, packedSize(spec));
  Matrix all = matrixOf(spec.shape);
  WinogradTransform transform = winogradTransform(spec.layout == WeightLayout::WinogradF2 ? 2 : 4, 2);
  int64_t planes = transform.planes(), planeSize = roundUp(all.rows, kPanel) * all.channels, row = 0;
  auto *out = reinterpret_cast<float *>(target);
  std::vector<float> taps(all.k), plane(planes);
  for (size_t s = 0; s < sources.size(); ++s) {
    Matrix m = matrixOf(spec.sources[s].shape);
    for (int64_t r = 0; r < m.rows; ++r, ++row) {
      convertToFloat(sources[s].dtype, sources[s].data + r * m.k * dtypeSize(sources[s].dtype), m.k, taps.data());
      for (int64_t c = 0; c < m.channels; ++c) {
        transform.weights(taps.data() + c * 9, plane.data());
        for (int64_t p = 0; p < planes; ++p)
          out[p * planeSize + row / kPanel * kPanel * all.channels + c * kPanel + row % kPanel] = plane[p];
      }
    }
  }
}

} // namespace

uint64_t packedSize(const WeightSpec &spec) { return static_cast<uint64_t>(packedElements(spec)) * dtypeSize(spec.dtype); }

void packWeight(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target) {
  switch (spec.layout) {
  case WeightLayout::Dense:
    return packDense(spec, sources, target);
  case WeightLayout::Panel16:
  case WeightLayout::GatedPanel16:
    return packPanels(spec, sources, target);
  case WeightLayout::WinogradF2:
  case WeightLayout::WinogradF4x2:
    return packWinograd(spec, sources, target);
  }
}

} // namespace hb
