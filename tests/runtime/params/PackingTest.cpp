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
