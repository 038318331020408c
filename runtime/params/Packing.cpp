#include "runtime/params/Packing.h"

#include "runtime/base/Error.h"
#include "runtime/params/Transpose.h"
#include "runtime/params/Winograd.h"

#include <algorithm>
#include <cstring>

namespace hb {
namespace {

/// Elements of K brought over at a time: 16 rows of them, and their panel, stay in the first-level cache.
constexpr int64_t kBlock = 256;

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
  case WeightLayout::DiagonalPanel16:
    return roundUp(m.rows, kPanelLanes) * m.k;
  case WeightLayout::GatedPanel16:
    return 2 * roundUp(m.rows / 2, kPanelLanes) * m.k;
  case WeightLayout::WinogradF2:
    return 16 * roundUp(m.rows, kPanelLanes) * m.channels;
  case WeightLayout::WinogradF4x2:
    return 24 * roundUp(m.rows, kPanelLanes) * m.channels;
  }
  return 0;
}

/// Sixteen rows of the sources, as one panel holds them.
struct PanelRows {
  const std::byte *data[kPanelLanes] = {}; ///< null: a row of padding
  DType dtype[kPanelLanes] = {};
};

/// The logical rows of a panel: 16 in a row, for gated panels from the two halves in turn.
PanelRows panelRows(const WeightSpec &spec, std::span<const SourceData> sources, int64_t rows, int64_t panel) {
  bool gated = spec.layout == WeightLayout::GatedPanel16;
  int64_t first = gated ? panel % 2 * (rows / 2) + panel / 2 * kPanelLanes : panel * kPanelLanes;
  int64_t valid = std::min(kPanelLanes, gated ? rows / 2 - panel / 2 * kPanelLanes : rows - first);
  PanelRows out;
  int64_t start = 0; // of the source among the logical rows
  for (size_t s = 0; s < sources.size(); ++s) {
    Matrix m = matrixOf(spec.sources[s].shape);
    for (int64_t lane = std::max<int64_t>(0, start - first); lane < valid && first + lane < start + m.rows; ++lane) {
      out.data[lane] = sources[s].data + (first + lane - start) * m.k * static_cast<int64_t>(dtypeSize(sources[s].dtype));
      out.dtype[lane] = sources[s].dtype;
    }
    start += m.rows;
  }
  return out;
}

/// Sixteen rows of a transposed weight, gathered from the columns of its sources into `buffer`: lane by lane, in the order in which a
/// stored weight of the transposed shape would have them (channels, then taps; the taps reversed).
PanelRows transposedRows(const WeightSpec &spec, std::span<const SourceData> sources, int64_t panel, std::vector<std::byte> &buffer) {
  Matrix m = matrixOf(spec.shape);
  int64_t first = panel * kPanelLanes, valid = std::min(kPanelLanes, m.rows - first), element = static_cast<int64_t>(dtypeSize(spec.dtype));
  buffer.resize(static_cast<size_t>(kPanelLanes * m.k * element));
  std::vector<float> wide(static_cast<size_t>(kPanelLanes * m.taps));
  std::vector<std::byte> run(wide.size() * static_cast<size_t>(element));
  int64_t channel = 0; // of the transposed weight: a row of the sources
  for (size_t s = 0; s < sources.size(); ++s) {
    Matrix stored = matrixOf(spec.sources[s].shape);
    int64_t from = static_cast<int64_t>(dtypeSize(sources[s].dtype));
    for (int64_t row = 0; row < stored.rows; ++row, ++channel) {
      const std::byte *data = sources[s].data + (row * stored.k + first * m.taps) * from;
      if (sources[s].dtype != spec.dtype) {
        convertToFloat(sources[s].dtype, data, valid * m.taps, wide.data());
        convertFromFloat(spec.dtype, wide.data(), valid * m.taps, run.data());
        data = run.data();
      }
      for (int64_t lane = 0; lane < valid; ++lane)
        for (int64_t tap = 0; tap < m.taps; ++tap)
          std::memcpy(buffer.data() + (lane * m.k + channel * m.taps + tap) * element, data + (lane * m.taps + m.taps - 1 - tap) * element, element);
    }
  }
  PanelRows out;
  for (int64_t lane = 0; lane < valid; ++lane) {
    out.data[lane] = buffer.data() + lane * m.k * element;
    out.dtype[lane] = spec.dtype;
  }
  return out;
}

template <typename Element> void packPanelLanes(const WeightSpec &spec, const PanelRows &rows, const Matrix &m, Element *panel) {
  static constexpr std::byte kZeros[kBlock * sizeof(Element)] = {};
  std::byte converted[kPanelLanes][kBlock * sizeof(Element)];
  Element block[kBlock * kPanelLanes];
  float wide[kBlock];
  for (int64_t k = 0; k < m.k; k += kBlock) {
    int64_t count = std::min(kBlock, m.k - k);
    const std::byte *segments[kPanelLanes];
    for (int64_t lane = 0; lane < kPanelLanes; ++lane) {
      segments[lane] = kZeros;
      if (!rows.data[lane])
        continue;
      segments[lane] = rows.data[lane] + k * static_cast<int64_t>(dtypeSize(rows.dtype[lane]));
      if (rows.dtype[lane] == spec.dtype)
        continue;
      convertToFloat(rows.dtype[lane], segments[lane], count, wide);
      convertFromFloat(spec.dtype, wide, count, converted[lane]);
      segments[lane] = converted[lane];
    }
    if (m.taps == 1) {
      transposeLanes(segments, count, panel + k * kPanelLanes);
      continue;
    }
    // Convolutions are stored [channels][taps] and packed [taps][channels].
    transposeLanes(segments, count, block);
    for (int64_t i = 0, channel = k / m.taps, tap = k % m.taps; i < count; ++i) {
      std::memcpy(panel + (tap * m.channels + channel) * kPanelLanes, block + i * kPanelLanes, kPanelLanes * sizeof(Element));
      if (++tap == m.taps) {
        tap = 0;
        ++channel;
      }
    }
  }
}

void packPanels(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target, int64_t begin, int64_t end) {
  int64_t rows = matrixOf(spec.shape).rows;
  Matrix m = spec.transposed ? matrixOf(spec.shape) : matrixOf(spec.sources[0].shape);
  std::vector<std::byte> buffer;
  for (int64_t p = begin; p < end; ++p) {
    PanelRows lanes = spec.transposed ? transposedRows(spec, sources, p, buffer) : panelRows(spec, sources, rows, p);
    if (dtypeSize(spec.dtype) == 2)
      packPanelLanes(spec, lanes, m, reinterpret_cast<uint16_t *>(target) + p * m.k * kPanelLanes);
    else
      packPanelLanes(spec, lanes, m, reinterpret_cast<uint32_t *>(target) + p * m.k * kPanelLanes);
  }
}

/// Every source's rows hold its own columns; the rest of the matrix is zero.
void packDiagonal(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target, int64_t begin, int64_t end) {
  const Matrix all = matrixOf(spec.shape);
  const int64_t size = static_cast<int64_t>(dtypeSize(spec.dtype)), panelBytes = all.k * kPanelLanes * size;
  std::memset(target + begin * panelBytes, 0, (end - begin) * panelBytes);
  std::vector<float> wide;
  int64_t row = 0, column = 0;
  for (size_t s = 0; s < sources.size(); ++s) {
    const Matrix m = matrixOf(spec.sources[s].shape);
    wide.resize(m.k);
    for (int64_t r = std::max<int64_t>(0, begin * kPanelLanes - row); r < m.rows && row + r < end * kPanelLanes; ++r) {
      convertToFloat(sources[s].dtype, sources[s].data + r * m.k * static_cast<int64_t>(dtypeSize(sources[s].dtype)), m.k, wide.data());
      std::byte *lane = target + (row + r) / kPanelLanes * panelBytes + (row + r) % kPanelLanes * size;
      for (int64_t k = 0; k < m.k; ++k)
        convertFromFloat(spec.dtype, &wide[k], 1, lane + (column + k) * kPanelLanes * size);
    }
    row += m.rows;
    column += m.k;
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

void packWinograd(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target, int64_t begin, int64_t end) {
  Matrix all = matrixOf(spec.shape);
  WinogradTransform transform = winogradTransform(spec.layout == WeightLayout::WinogradF2 ? 2 : 4, 2);
  int64_t planeSize = roundUp(all.rows, kPanelLanes) * all.channels;
  std::vector<float> taps(kPanelLanes * all.k); // [lane][channel][9]
  float lanes[9 * kPanelLanes];
  std::vector<std::byte> buffer;
  for (int64_t p = begin; p < end; ++p) {
    PanelRows rows = spec.transposed ? transposedRows(spec, sources, p, buffer) : panelRows(spec, sources, all.rows, p);
    for (int64_t lane = 0; lane < kPanelLanes; ++lane) {
      float *row = taps.data() + lane * all.k;
      if (rows.data[lane])
        convertToFloat(rows.dtype[lane], rows.data[lane], all.k, row);
      else
        std::fill_n(row, all.k, 0.0f);
    }
    auto *panel = reinterpret_cast<float *>(target) + p * kPanelLanes * all.channels;
    for (int64_t c = 0; c < all.channels; ++c) {
      for (int64_t lane = 0; lane < kPanelLanes; ++lane)
        for (int64_t tap = 0; tap < 9; ++tap)
          lanes[tap * kPanelLanes + lane] = taps[lane * all.k + c * 9 + tap];
      transform.panelWeights(lanes, panel + c * kPanelLanes, planeSize);
    }
  }
}

} // namespace

uint64_t packedSize(const WeightSpec &spec) { return static_cast<uint64_t>(packedElements(spec)) * dtypeSize(spec.dtype); }

int64_t packTasks(const WeightSpec &spec) {
  int64_t rows = matrixOf(spec.shape).rows;
  switch (spec.layout) {
  case WeightLayout::Dense:
    return 1;
  case WeightLayout::GatedPanel16:
    return 2 * (roundUp(rows / 2, kPanelLanes) / kPanelLanes);
  default:
    return roundUp(rows, kPanelLanes) / kPanelLanes;
  }
}

void packWeight(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target, int64_t begin, int64_t end) {
  if (begin >= end)
    return;
  switch (spec.layout) {
  case WeightLayout::Dense:
    return packDense(spec, sources, target);
  case WeightLayout::Panel16:
  case WeightLayout::GatedPanel16:
    return packPanels(spec, sources, target, begin, end);
  case WeightLayout::DiagonalPanel16:
    return packDiagonal(spec, sources, target, begin, end);
  case WeightLayout::WinogradF2:
  case WeightLayout::WinogradF4x2:
    return packWinograd(spec, sources, target, begin, end);
  }
}

void packWeight(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target) { packWeight(spec, sources, target, 0, packTasks(spec)); }

} // namespace hb
