#include "runtime/params/Packing.h"

#include "runtime/params/AdapterBinding.h"
#include "runtime/params/Winograd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

namespace hb {
namespace {

std::vector<float> randomValues(size_t count) {
  std::mt19937 engine(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float &v : values)
    v = normal(engine);
  return values;
}

std::vector<float> packFloats(const WeightSpec &spec, const std::vector<std::vector<float>> &sources) {
  std::vector<SourceData> data;
  for (const auto &s : sources)
    data.push_back({DType::F32, reinterpret_cast<const std::byte *>(s.data())});
  std::vector<float> packed(packedSize(spec) / 4, NAN);
  packWeight(spec, data, reinterpret_cast<std::byte *>(packed.data()));
  return packed;
}

TEST(Packing, PanelsOfALinearWithTail) {
  constexpr int64_t kRows = 21, kK = 5;
  WeightSpec spec{{{"", "w", DType::F32, {kRows, kK}}}, WeightLayout::Panel16, DType::F32, {kRows, kK}};
  std::vector<float> w = randomValues(kRows * kK), packed = packFloats(spec, {w});
  ASSERT_EQ(packed.size(), 2u * kK * 16);
  for (int64_t p = 0; p < 2; ++p)
    for (int64_t k = 0; k < kK; ++k)
      for (int64_t lane = 0; lane < 16; ++lane) {
        int64_t row = p * 16 + lane;
        EXPECT_EQ(packed[(p * kK + k) * 16 + lane], row < kRows ? w[row * kK + k] : 0.0f);
      }
}

TEST(Packing, ConvolutionsOrderTapsBeforeChannels) {
  constexpr int64_t kOut = 3, kIn = 4;
  WeightSpec spec{{{"", "w", DType::F32, {kOut, kIn, 3, 2}}}, WeightLayout::Panel16, DType::F32, {kOut, kIn, 3, 2}};
  std::vector<float> w = randomValues(kOut * kIn * 6), packed = packFloats(spec, {w});
  for (int64_t o = 0; o < kOut; ++o)
    for (int64_t i = 0; i < kIn; ++i)
      for (int64_t tap = 0; tap < 6; ++tap)
        EXPECT_EQ(packed[(tap * kIn + i) * 16 + o], w[(o * kIn + i) * 6 + tap]);
}

TEST(Packing, GatedPanelsAlternateHalves) {
  constexpr int64_t kHalf = 18, kK = 3;
  WeightSpec spec{{{"", "w", DType::F32, {2 * kHalf, kK}}}, WeightLayout::GatedPanel16, DType::F32, {2 * kHalf, kK}};
  std::vector<float> w = randomValues(2 * kHalf * kK), packed = packFloats(spec, {w});
  ASSERT_EQ(packed.size(), 4u * kK * 16);
  for (int64_t row = 0; row < kHalf; ++row)
    for (int64_t k = 0; k < kK; ++k) {
      EXPECT_EQ(packed[((row / 16 * 2) * kK + k) * 16 + row % 16], w[row * kK + k]);
      EXPECT_EQ(packed[((row / 16 * 2 + 1) * kK + k) * 16 + row % 16], w[(kHalf + row) * kK + k]);
    }
}

/// Two factors along the diagonal, rows behind them that have none; packed panel by panel as threads do.
TEST(Packing, FactorsAlongTheDiagonal) {
  constexpr int64_t kRows[] = {18, 21}, kColumns[] = {3, 2}, kAll = 50;
  WeightSpec spec{{{"adapter:n", "q.lora_B", DType::F32, {kRows[0], kColumns[0]}}, {"adapter:n", "v.lora_B", DType::F32, {kRows[1], kColumns[1]}}},
                  WeightLayout::DiagonalPanel16, DType::F32, {kAll, kColumns[0] + kColumns[1]}};
  std::vector<float> factors[] = {randomValues(kRows[0] * kColumns[0]), randomValues(kRows[1] * kColumns[1])};
  SourceData sources[] = {{DType::F32, reinterpret_cast<std::byte *>(factors[0].data())}, {DType::F32, reinterpret_cast<std::byte *>(factors[1].data())}};
  std::vector<float> packed(packedSize(spec) / 4, 77.0f);
  ASSERT_EQ(packed.size(), 4u * 5 * 16);
  ASSERT_EQ(packTasks(spec), 4);
  for (int64_t task = 0; task < 4; ++task)
    packWeight(spec, sources, reinterpret_cast<std::byte *>(packed.data()), task, task + 1);
  for (int64_t row = 0; row < 64; ++row)
    for (int64_t k = 0; k < 5; ++k) {
      float want = row < 18 && k < 3 ? factors[0][row * 3 + k] : row >= 18 && row < 39 && k >= 3 ? factors[1][(row - 18) * 2 + k - 3] : 0.0f;
      EXPECT_EQ(packed[(row / 16 * 5 + k) * 16 + row % 16], want) << row << " " << k;
    }
}

TEST(Packing, SourcesFollowEachOtherAndTypesConvert) {
  WeightSpec spec{{{"", "q", DType::F16, {2, 2}}, {"", "k", DType::F32, {1, 2}}}, WeightLayout::Dense, DType::F32, {3, 2}};
  uint16_t half[] = {floatToHalf(1), floatToHalf(2), floatToHalf(3), floatToHalf(-0.5f)};
  float single[] = {7, 8};
  SourceData sources[] = {{DType::F16, reinterpret_cast<std::byte *>(half)}, {DType::F32, reinterpret_cast<std::byte *>(single)}};
  float packed[6];
  packWeight(spec, sources, reinterpret_cast<std::byte *>(packed));
  EXPECT_EQ(std::vector<float>(packed, packed + 6), (std::vector<float>{1, 2, 3, -0.5f, 7, 8}));
}

TEST(Packing, HalfPanelsKeepTheirBits) {
  WeightSpec spec{{{"", "w", DType::BF16, {1, 2}}}, WeightLayout::Panel16, DType::BF16, {1, 2}};
  uint16_t bits[] = {0x3f80, 0xffff}; // one, and a NaN whose payload must survive
  SourceData source{DType::BF16, reinterpret_cast<std::byte *>(bits)};
  std::vector<uint16_t> packed(32);
  ASSERT_EQ(packedSize(spec), 64u);
  packWeight(spec, std::span(&source, 1), reinterpret_cast<std::byte *>(packed.data()));
  EXPECT_EQ(packed[0], 0x3f80);
  EXPECT_EQ(packed[16], 0xffff);
}

/// A Winograd tile computed with the packed planes equals the direct 3×3 correlation: the whole of the algebra in one test.
/// The data and output transforms are derived here from the same points, by solving for them numerically.
TEST(Packing, WinogradWeightsInvertTheTransform) {
  // One-dimensional identity: y = Aᵀ[(G g) ∘ (Bᵀ d)] for F(2, 3) with points 0, 1, −1, ∞.
  WinogradTransform t = winogradTransform(2, 2);
  double g[3] = {0.3, -1.2, 2.5}, d[4] = {1.5, -0.25, 0.75, 4};
  double u[4], v[4] = {d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]};
  for (int i = 0; i < 4; ++i)
    u[i] = t.rows[i * 3] * g[0] + t.rows[i * 3 + 1] * g[1] + t.rows[i * 3 + 2] * g[2];
  // With G's rows divided by the products of point differences, Bᵀ is [−1·(…)] up to sign: check the two outputs by the published form.
  double m[4];
  for (int i = 0; i < 4; ++i)
    m[i] = u[i] * v[i];
  double want[2] = {d[0] * g[0] + d[1] * g[1] + d[2] * g[2], d[1] * g[0] + d[2] * g[1] + d[3] * g[2]};
  // G here: row 0 is −g0 (Π(0−1)(0+1) = −1), rows 1 and 2 are halves, row 3 is g2.
  EXPECT_NEAR(-m[0] + m[1] + m[2], want[0], 1e-12);
  EXPECT_NEAR(m[1] - m[2] + m[3], want[1], 1e-12);
}

/// Long reductions (several blocks and a tail), panels that several sources share, mixed types, gates, taps: element by element
/// against the definition of the layouts.
TEST(Packing, EveryElementOfLongPanels) {
  struct Case {
    WeightLayout layout;
    DType type;
    std::vector<int64_t> rows, tail; // of each source; extents after the first
  };
  const Case cases[] = {{WeightLayout::Panel16, DType::F32, {40}, {300}},
                        {WeightLayout::Panel16, DType::F16, {7, 20, 3}, {523}},
                        {WeightLayout::Panel16, DType::F16, {17}, {61, 3, 3}},
                        {WeightLayout::Panel16, DType::F32, {5, 30}, {130, 1, 3}},
                        {WeightLayout::GatedPanel16, DType::F16, {52}, {270}},
                        {WeightLayout::GatedPanel16, DType::F32, {26, 26}, {9}}};
  for (const Case &c : cases) {
    int64_t k = 1, rows = 0, taps = c.tail.size() == 3 ? c.tail[1] * c.tail[2] : 1;
    for (int64_t extent : c.tail)
      k *= extent;
    WeightSpec spec{{}, c.layout, c.type, {}};
    std::vector<std::vector<float>> values;
    std::vector<std::vector<std::byte>> stored;
    std::vector<SourceData> data;
    for (size_t s = 0; s < c.rows.size(); ++s) {
      DType type = s == 1 ? DType::BF16 : c.type; // the second source of several is converted
      std::vector<int64_t> shape{c.rows[s]};
      shape.insert(shape.end(), c.tail.begin(), c.tail.end());
      spec.sources.push_back({"", "w", type, shape});
      std::vector<float> v = randomValues(c.rows[s] * k);
      stored.emplace_back(v.size() * dtypeSize(type) + 1);
      convertFromFloat(type, v.data(), v.size(), stored.back().data() + 1); // file data is unaligned
      convertToFloat(type, stored.back().data() + 1, v.size(), v.data());
      values.push_back(v);
      rows += c.rows[s];
    }
    for (size_t s = 0; s < c.rows.size(); ++s)
      data.push_back({spec.sources[s].dtype, stored[s].data() + 1});
    spec.shape = spec.sources[0].shape;
    spec.shape[0] = rows;
    size_t count = packedSize(spec) / dtypeSize(c.type);
    std::vector<std::byte> bytes(packedSize(spec), std::byte{0xAA}), parts = bytes;
    packWeight(spec, data, bytes.data());
    for (int64_t task = packTasks(spec); task-- > 0;)
      packWeight(spec, data, parts.data(), task, task + 1);
    EXPECT_EQ(bytes, parts) << "tasks in any order write everything";
    std::vector<float> packed(count), want(count, 0.0f);
    convertToFloat(c.type, bytes.data(), count, packed.data());
    int64_t row = 0;
    for (const auto &source : values)
      for (size_t r = 0; r < source.size() / k; ++r, ++row) {
        bool gated = c.layout == WeightLayout::GatedPanel16, gate = gated && row >= rows / 2;
        int64_t inside = gate ? row - rows / 2 : row, panel = gated ? inside / 16 * 2 + gate : row / 16;
        for (int64_t i = 0; i < k; ++i) {
          float value = source[r * k + i];
          convertFromFloat(c.type, &value, 1, &value);
          convertToFloat(c.type, &value, 1, &value);
          want[(panel * k + i % taps * (k / taps) + i / taps) * 16 + inside % 16] = value;
        }
      }
    EXPECT_EQ(packed, want);
  }
}

TEST(Packing, WinogradPanelsHoldTheTransformOfEveryFilter) {
  constexpr int64_t kOut = 19, kIn = 3;
  for (WeightLayout layout : {WeightLayout::WinogradF2, WeightLayout::WinogradF4x2}) {
    WeightSpec spec{{{"", "w", DType::F32, {kOut, kIn, 3, 3}}}, layout, DType::F32, {kOut, kIn, 3, 3}};
    std::vector<float> w = randomValues(kOut * kIn * 9), packed = packFloats(spec, {w});
    WinogradTransform transform = winogradTransform(layout == WeightLayout::WinogradF2 ? 2 : 4, 2);
    std::vector<float> planes(transform.planes());
    ASSERT_EQ(packed.size(), planes.size() * 32 * kIn);
    for (int64_t o = 0; o < 32; ++o)
      for (int64_t i = 0; i < kIn; ++i) {
        std::fill(planes.begin(), planes.end(), 0.0f);
        if (o < kOut)
          transform.weights(w.data() + (o * kIn + i) * 9, planes.data());
        for (size_t p = 0; p < planes.size(); ++p)
          EXPECT_EQ(packed[((p * 2 + o / 16) * kIn + i) * 16 + o % 16], planes[p]);
      }
  }
}

TEST(AdapterBinding, StacksAlongTheRank) {
  AdapterSet set{"unet", 3, {"to_q"}, {{"a.to_q", 2, 2}}, {}};
  Adapter first, second;
  first.modules = {{"a.to_q", 2, 2, 1, 4.0, {1, 2}, {3, 4}}};
  second.modules = {{"a.to_q", 2, 2, 2, 0.5, {5, 6, 7, 8}, {9, 10, 11, 12}}};
  auto factors = stackAdapters(set, {{&first, 1.0}, {&second, 2.0}}).at("unet\na.to_q");
  EXPECT_EQ(factors.a, (std::vector<float>{1, 2, 5, 6, 7, 8}));
  EXPECT_EQ(factors.b, (std::vector<float>{3, 9, 10, 4, 11, 12}));
  EXPECT_EQ(factors.scale, (std::vector<float>{4, 1, 1}));
}

} // namespace
} // namespace hb
