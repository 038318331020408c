// kernel.attention against double loops: head widths, key counts, masks, strides, query tails.
#include "tests/lowering/emit/CompiledKernel.h"

#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hb::test {
namespace {

struct Case {
  int batch, queries, keys, heads, width, valueWidth;
  bool causal = false;
  int maskBatch = 0, maskQueries = 0; ///< 0: no mask
  bool fused = false;                 ///< q, k, v are parts of one [B, N, 3·width·heads] tensor
  float maskLow = -1e4f;
};

void PrintTo(const Case &c, std::ostream *out) {
  *out << fmt::format("B{} N{} M{} H{} d{} dv{}{}{}{}", c.batch, c.queries, c.keys, c.heads, c.width, c.valueWidth, c.causal ? " causal" : "",
                      c.maskBatch ? fmt::format(" mask[{},{}]", c.maskBatch, c.maskQueries) : "", c.fused ? " fused" : "");
}

/// Levels a case runs on: the simulator would take many seconds over the largest, whose tails and tiles smaller ones have too.
std::vector<const char *> levelsFor(const Case &c) {
  constexpr int64_t mostSimulated = 12'000'000; ///< multiply-adds of the forward kernel
  std::vector<const char *> levels;
  for (const char *level : allLevels)
    if (canRun(level) && (!std::string(level).starts_with("cuda") || int64_t(c.batch) * c.heads * c.queries * c.keys * (c.width + c.valueWidth) <= mostSimulated))
      levels.push_back(level);
  return levels;
}

class AttentionTest : public testing::TestWithParam<Case> {};

TEST_P(AttentionTest, MatchesDoubleLoops) {
  const Case c = GetParam();
  const int kWide = c.heads * c.width, vWide = c.heads * c.valueWidth;
  const double scale = 1 / std::sqrt(double(c.width));
  // Tensors and types.
  size_t qStride = kWide, kStride = kWide, vStride = vWide;
  std::string qType = fmt::format("tensor<{}x{}x{}xf32>", c.batch, c.queries, kWide), kType = fmt::format("tensor<{}x{}x{}xf32>", c.batch, c.keys, kWide),
              vType = fmt::format("tensor<{}x{}x{}xf32>", c.batch, c.keys, vWide), outType = fmt::format("tensor<{}x{}x{}xf32>", c.batch, c.queries, vWide), maskType;
  std::vector<float> q, k, v;
  const float *qData, *kData, *vData;
  size_t qBatch = size_t(c.queries) * kWide, kBatch = size_t(c.keys) * kWide, vBatch = size_t(c.keys) * vWide;
  if (c.fused) {
    q = normals(size_t(c.batch) * c.queries * 3 * kWide, 1);
    qStride = kStride = vStride = 3 * kWide;
    qBatch = kBatch = vBatch = size_t(c.queries) * 3 * kWide;
    qData = q.data();
    kData = qData + kWide;
    vData = qData + 2 * kWide;
    auto strided = [&](int offset) { return fmt::format("tensor<{}x{}x{}xf32, #kernel.strided<{}, [{}, {}, 1]>>", c.batch, c.queries, kWide, offset, qBatch, qStride); };
    qType = strided(0);
    kType = strided(kWide);
    vType = strided(2 * kWide);
  } else {
    q = normals(size_t(c.batch) * c.queries * kWide, 1);
    k = normals(size_t(c.batch) * c.keys * kWide, 2);
    v = normals(size_t(c.batch) * c.keys * vWide, 3);
    qData = q.data();
    kData = k.data();
    vData = v.data();
  }
  std::vector<float> mask;
  if (c.maskBatch) {
    maskType = fmt::format("tensor<{}x{}x{}xf32>", c.maskBatch, c.maskQueries, c.keys);
    mask = normals(size_t(c.maskBatch) * c.maskQueries * c.keys, 4);
    for (size_t i = 0; i < mask.size(); ++i)
      // Whole key blocks hidden, at the front too; but every query keeps one key, or the sums would be those of the mask alone.
      if ((i % 7 == 3 || i % c.keys < size_t(c.keys) / 3) && i % c.keys != (c.causal ? 0 : size_t(c.keys) - 1))
        mask[i] = c.maskLow;
  }
  std::string text = fmt::format("kernel.def @attention(%q: {0}, %k: {1}, %v: {2}{3}) -> {4} {{\n  %y = kernel.attention q(%q : {0}) k(%k : {1}) v(%v : {2}){5} "
                                 "{{heads = {6} : i64, scale = {7:.17e} : f64{8}}} -> {4}\n  kernel.return %y : {4}\n}}\n",
                                 qType, kType, vType, c.maskBatch ? ", %m: " + maskType : "", outType, c.maskBatch ? " mask(%m : " + maskType + ")" : "", c.heads, scale,
                                 c.causal ? ", causal" : "");
  // Reference.
  std::vector<double> expected(size_t(c.batch) * c.queries * vWide);
  for (int b = 0; b < c.batch; ++b)
    for (int h = 0; h < c.heads; ++h)
      for (int n = 0; n < c.queries; ++n) {
        int limit = c.causal ? n + 1 : c.keys;
        std::vector<double> score(limit);
        double largest = -INFINITY, sum = 0;
        for (int m = 0; m < limit; ++m) {
          double s = 0;
          for (int d = 0; d < c.width; ++d)
            s += double(qData[b * qBatch + n * qStride + h * c.width + d]) * kData[b * kBatch + m * kStride + h * c.width + d];
          s *= scale;
          if (c.maskBatch)
            s += mask[(size_t(c.maskBatch > 1 ? b : 0) * c.maskQueries + (c.maskQueries > 1 ? n : 0)) * c.keys + m];
          score[m] = s;
          largest = std::max(largest, s);
        }
        for (double &s : score)
          sum += s = std::exp(s - largest);
        for (int d = 0; d < c.valueWidth; ++d) {
          double y = 0;
          for (int m = 0; m < limit; ++m)
            y += score[m] * vData[b * vBatch + m * vStride + h * c.valueWidth + d];
          expected[(size_t(b) * c.queries + n) * vWide + h * c.valueWidth + d] = y / sum;
        }
      }
  for (const char *cpu : levelsFor(c)) {
    CompiledKernel kernel(text, cpu);
    ASSERT_EQ(kernel.error(), "") << text;
    Buffer<float> out(expected.size(), 1), qBuffer(q, 1), kBuffer(k, 3), vBuffer(v, 5), maskBuffer(mask, 1);
    std::vector<void *> buffers = {qBuffer, c.fused ? qBuffer : kBuffer, c.fused ? qBuffer : vBuffer};
    if (c.maskBatch)
      buffers.push_back(maskBuffer);
    buffers.push_back(out);
    kernel.run(buffers);
    EXPECT_TRUE(out.intact()) << cpu;
    double error = distance(out.data(), expected);
    EXPECT_LE(error, 4e-7) << cpu;
  }
}

const Case cases[] = {
    {1, 64, 128, 1, 64, 64},
    {2, 77, 77, 3, 64, 64},
    {1, 130, 300, 2, 16, 16},
    {1, 33, 257, 2, 80, 80},
    {1, 16, 50, 2, 88, 88},
    {1, 70, 129, 1, 104, 104},
    {1, 65, 140, 1, 512, 512},
    {2, 5, 1, 2, 64, 64},
    {1, 1, 1, 1, 8, 8},
    {1, 1, 16384, 1, 64, 64},
    {1, 20, 40, 3, 7, 5},
    {1, 19, 33, 2, 33, 17},
    {1, 128, 64, 1, 40, 40},
    {1, 77, 77, 2, 64, 64, true},
    {2, 150, 150, 1, 20, 20, true},
    {1, 300, 300, 1, 64, 64, true},
    {2, 77, 77, 2, 64, 64, true, 2, 1},
    {2, 45, 90, 2, 64, 64, false, 1, 1},
    {2, 45, 90, 2, 64, 64, false, 2, 1},
    {2, 45, 400, 2, 32, 32, false, 2, 45},
    {2, 45, 9, 2, 32, 32, false, 1, 45},
    {1, 70, 400, 1, 32, 32, false, 1, 70, false, -3.4028235e38f},
    {1, 70, 400, 1, 32, 32, false, 1, 70, false, -INFINITY},
    {2, 50, 50, 2, 24, 24, false, 0, 0, true},
    {1, 40, 70, 1, 128, 128},
    {1, 20, 70, 1, 136, 200},
    {1, 17, 20, 1, 640, 520},
    {2, 21, 21, 2, 6, 6, false, 0, 0, true},
    {1, 1024, 1024, 1, 64, 64},
};

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTest, testing::ValuesIn(cases));

} // namespace
} // namespace hb::test
