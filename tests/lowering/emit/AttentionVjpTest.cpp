// kernel.attention's statistics and kernel.attention_vjp against double loops: head widths, tails of queries and keys, masks, strides,
// tasks by heads and by blocks.
#include "tests/lowering/emit/CompiledKernel.h"

#include <cmath>
#include <cstring>
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

/// Rows of heads side by side, possibly inside wider rows.
struct Matrix {
  const float *data;
  size_t batchStride, rowStride;
  double at(int b, int row, int column) const { return data[b * batchStride + row * rowStride + column]; }
};

/// What the kernels should give, in double precision.
struct Expected {
  std::vector<double> y, stats, delta, dq, dk, dv;
};

Expected gradients(const Case &c, const Matrix &q, const Matrix &k, const Matrix &v, const Matrix &dy, const std::vector<float> &mask, double scale) {
  const int wide = c.heads * c.width, wideV = c.heads * c.valueWidth;
  Expected e{std::vector<double>(size_t(c.batch) * c.queries * wideV), std::vector<double>(size_t(c.batch) * c.heads * 2 * c.queries), std::vector<double>(size_t(c.batch) * c.queries * c.heads),
             std::vector<double>(size_t(c.batch) * c.queries * wide), std::vector<double>(size_t(c.batch) * c.keys * wide), std::vector<double>(size_t(c.batch) * c.keys * wideV)};
  std::vector<double> p(c.keys), dp(c.keys);
  for (int b = 0; b < c.batch; ++b)
    for (int h = 0; h < c.heads; ++h)
      for (int n = 0; n < c.queries; ++n) {
        const int limit = c.causal ? n + 1 : c.keys;
        double largest = -INFINITY, sum = 0, mean = 0;
        for (int m = 0; m < limit; ++m) {
          double s = 0;
          for (int d = 0; d < c.width; ++d)
            s += q.at(b, n, h * c.width + d) * k.at(b, m, h * c.width + d);
          s *= scale;
          if (c.maskBatch)
            s += mask[(size_t(c.maskBatch > 1 ? b : 0) * c.maskQueries + (c.maskQueries > 1 ? n : 0)) * c.keys + m];
          p[m] = s;
          largest = std::max(largest, s);
          dp[m] = 0;
          for (int d = 0; d < c.valueWidth; ++d)
            dp[m] += dy.at(b, n, h * c.valueWidth + d) * v.at(b, m, h * c.valueWidth + d);
        }
        for (int m = 0; m < limit; ++m)
          sum += p[m] = std::exp(p[m] - largest);
        for (int m = 0; m < limit; ++m)
          mean += (p[m] /= sum) * dp[m];
        e.stats[(size_t(b * c.heads + h) * 2) * c.queries + n] = largest * M_LOG2E;
        e.stats[(size_t(b * c.heads + h) * 2 + 1) * c.queries + n] = sum;
        e.delta[(size_t(b) * c.queries + n) * c.heads + h] = mean;
        for (int m = 0; m < limit; ++m) {
          const double ds = p[m] * (dp[m] - mean) * scale;
          for (int d = 0; d < c.width; ++d) {
            e.dq[(size_t(b) * c.queries + n) * wide + h * c.width + d] += ds * k.at(b, m, h * c.width + d);
            e.dk[(size_t(b) * c.keys + m) * wide + h * c.width + d] += ds * q.at(b, n, h * c.width + d);
          }
          for (int d = 0; d < c.valueWidth; ++d)
            e.y[(size_t(b) * c.queries + n) * wideV + h * c.valueWidth + d] += p[m] * v.at(b, m, h * c.valueWidth + d);
          for (int d = 0; d < c.valueWidth; ++d)
            e.dv[(size_t(b) * c.keys + m) * wideV + h * c.valueWidth + d] += p[m] * dy.at(b, n, h * c.valueWidth + d);
        }
      }
  return e;
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

class AttentionVjpTest : public testing::TestWithParam<Case> {};

TEST_P(AttentionVjpTest, MatchesDoubleLoops) {
  const Case c = GetParam();
  const size_t wide = c.heads * c.width, wideV = c.heads * c.valueWidth;
  const double scale = 1 / std::sqrt(double(c.width));
  auto type = [](size_t a, size_t b, size_t d) { return fmt::format("tensor<{}x{}x{}xf32>", a, b, d); };
  std::string qType = type(c.batch, c.queries, wide), kType = type(c.batch, c.keys, wide), vType = type(c.batch, c.keys, wideV);
  const std::string dqType = qType, dkType = kType, dvType = vType, yType = type(c.batch, c.queries, wideV), maskType = type(c.maskBatch, c.maskQueries, c.keys),
                    statsType = fmt::format("tensor<{}x{}x2x{}xf32>", c.batch, c.heads, c.queries), deltaType = type(c.batch, c.queries, c.heads);
  std::vector<float> qs, ks, vs, dys = normals(size_t(c.batch) * c.queries * wideV, 5), mask;
  Matrix q, k, v, dy{dys.data(), c.queries * wideV, wideV};
  if (c.fused) {
    qs = normals(size_t(c.batch) * c.queries * 3 * wide, 1);
    q = {qs.data(), c.queries * 3 * wide, 3 * wide};
    k = {qs.data() + wide, q.batchStride, q.rowStride};
    v = {qs.data() + 2 * wide, q.batchStride, q.rowStride};
    auto strided = [&](size_t offset) {
      return fmt::format("tensor<{}x{}x{}xf32, #kernel.strided<{}, [{}, {}, 1]>>", c.batch, c.queries, wide, offset, q.batchStride, q.rowStride);
    };
    qType = strided(0), kType = strided(wide), vType = strided(2 * wide);
  } else {
    qs = normals(size_t(c.batch) * c.queries * wide, 1);
    ks = normals(size_t(c.batch) * c.keys * wide, 2);
    vs = normals(size_t(c.batch) * c.keys * wideV, 3);
    q = {qs.data(), c.queries * wide, wide};
    k = {ks.data(), c.keys * wide, wide};
    v = {vs.data(), c.keys * wideV, wideV};
  }
  if (c.maskBatch) {
    mask = normals(size_t(c.maskBatch) * c.maskQueries * c.keys, 4);
    for (size_t i = 0; i < mask.size(); ++i) // whole key blocks hidden, at the front too; but every query keeps one key
      if ((i % 7 == 3 || i % c.keys < size_t(c.keys) / 3) && i % c.keys != (c.causal ? 0 : size_t(c.keys) - 1))
        mask[i] = c.maskLow;
  }
  const std::string settings = fmt::format("{{heads = {} : i64, scale = {:.17e} : f64{}}}", c.heads, scale, c.causal ? ", causal" : "");
  const std::string maskArgument = c.maskBatch ? ", %m: " + maskType : "", maskOperand = c.maskBatch ? " mask(%m : " + maskType + ")" : "";
  const std::string forward = fmt::format("kernel.def @attention(%q: {0}, %k: {1}, %v: {2}{3}) -> ({4}, {5}) {{\n  %y, %s = kernel.attention q(%q : {0}) k(%k : {1}) v(%v : {2}){6} {7} -> {4}, {5}\n"
                                          "  kernel.return %y, %s : {4}, {5}\n}}\n",
                                          qType, kType, vType, maskArgument, yType, statsType, maskOperand, settings);
  const std::string backward =
      fmt::format("kernel.def @vjp(%q: {0}, %k: {1}, %v: {2}, %g: {3}, %s: {4}, %d: {5}{6}) -> ({7}, {8}, {9}) {{\n  %dq, %dk, %dv = kernel.attention_vjp q(%q : {0}) k(%k : {1}) v(%v : {2}) "
                  "dy(%g : {3}) stats(%s : {4}) delta(%d : {5}){10} {11} -> {7}, {8}, {9}\n  kernel.return %dq, %dk, %dv : {7}, {8}, {9}\n}}\n",
                  qType, kType, vType, yType, statsType, deltaType, maskArgument, dqType, dkType, dvType, maskOperand, settings);
  const Expected expected = gradients(c, q, k, v, dy, mask, scale);
  // To a single key every query gives all it has, whatever the score: dq and dk are zero, and what is left of dP − D is rounding.
  const double limit = c.keys == 1 ? 1e-4 : 5e-7;
  for (const char *cpu : levelsFor(c)) {
    CompiledKernel first(forward, cpu), second(backward, cpu);
    ASSERT_EQ(first.error() + second.error(), "") << forward << backward;
    Buffer<float> qBuffer(qs, 1), kBuffer(ks, 3), vBuffer(vs, 5), dyBuffer(dys, 7), maskBuffer(mask, 1), y(size_t(c.batch) * c.queries * wideV), stats(expected.stats.size(), 1),
        delta(expected.delta.size(), 1), dq(expected.dq.size(), 1), dk(expected.dk.size(), 2), dv(expected.dv.size(), 3);
    std::vector<void *> in = {qBuffer, c.fused ? qBuffer : kBuffer, c.fused ? qBuffer : vBuffer};
    auto with = [&](std::vector<void *> list, std::initializer_list<void *> more) {
      list.insert(list.end(), more);
      return list;
    };
    auto masked = [&](std::vector<void *> list) { return c.maskBatch ? with(std::move(list), {maskBuffer}) : list; };
    first.run(with(masked(in), {y, stats}));
    EXPECT_TRUE(y.intact() && stats.intact()) << cpu;
    EXPECT_LE(distance(stats.data(), expected.stats), 8e-7) << cpu; // sums of positive numbers only
    EXPECT_LE(distance(y.data(), expected.y), 4e-7) << cpu;
    for (int b = 0; b < c.batch; ++b)
      for (int n = 0; n < c.queries; ++n)
        for (int h = 0; h < c.heads; ++h) {
          double sum = 0;
          for (int d = 0; d < c.valueWidth; ++d) {
            size_t at = (size_t(b) * c.queries + n) * wideV + h * c.valueWidth + d;
            sum += double(y[at]) * dys[at];
          }
          delta[(size_t(b) * c.queries + n) * c.heads + h] = float(sum);
        }
    second.run(with(masked(with(in, {dyBuffer, stats, delta})), {dq, dk, dv}));
    EXPECT_TRUE(dq.intact() && dk.intact() && dv.intact()) << cpu;
    if (std::string(cpu).starts_with("cuda")) { // again, with blocks and warps in another order: not a bit changes
      Buffer<float> dq2(dq.size()), dk2(dk.size()), dv2(dv.size());
      second.run(with(masked(with(in, {dyBuffer, stats, delta})), {dq2, dk2, dv2}));
      auto same = [](const Buffer<float> &a, const Buffer<float> &b) { return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0; };
      EXPECT_TRUE(same(dq, dq2) && same(dk, dk2) && same(dv, dv2));
    }
    const double errors[] = {distance(dq.data(), expected.dq), distance(dk.data(), expected.dk), distance(dv.data(), expected.dv)};
    for (double error : errors)
      EXPECT_LE(error, limit) << cpu;
    RecordProperty(fmt::format("errors_{}", cpu), fmt::format("{:.2e} {:.2e} {:.2e}", errors[0], errors[1], errors[2]));
  }
}

const Case cases[] = {
    {1, 64, 128, 1, 64, 64},
    {1, 128, 128, 8, 64, 64},
    {2, 77, 77, 4, 64, 64},
    {1, 130, 300, 2, 16, 16},
    {1, 130, 300, 9, 16, 16},
    {1, 33, 257, 2, 80, 80},
    {1, 257, 257, 8, 88, 88},
    {1, 70, 129, 1, 104, 104},
    {1, 70, 129, 8, 104, 104},
    {1, 65, 140, 1, 512, 512},
    {1, 150, 70, 8, 200, 300},
    {2, 5, 1, 2, 64, 64},
    {1, 1, 1, 1, 8, 8},
    {1, 1, 5000, 1, 64, 64},
    {1, 5000, 2, 1, 64, 64},
    {1, 20, 40, 3, 7, 5},
    {3, 20, 40, 3, 7, 5},
    {2, 19, 33, 2, 33, 17},
    {1, 128, 64, 1, 40, 40},
    {1, 77, 77, 2, 64, 64, true},
    {1, 77, 77, 12, 64, 64, true},
    {2, 150, 150, 1, 20, 20, true},
    {1, 300, 300, 1, 64, 64, true},
    {1, 300, 300, 8, 64, 64, true},
    {2, 77, 77, 2, 64, 64, true, 2, 1},
    {2, 45, 90, 2, 64, 64, false, 1, 1},
    {2, 45, 90, 4, 64, 64, false, 2, 1},
    {2, 45, 400, 2, 32, 32, false, 2, 45},
    {2, 45, 400, 4, 32, 32, false, 2, 45},
    {2, 45, 9, 2, 32, 32, false, 1, 45},
    {1, 70, 400, 1, 32, 32, false, 1, 70, false, -3.4028235e38f},
    {1, 70, 400, 8, 32, 32, false, 1, 70, false, -INFINITY},
    {2, 50, 50, 2, 24, 24, false, 0, 0, true},
    {2, 50, 50, 8, 24, 24, false, 0, 0, true},
    {1, 40, 70, 1, 128, 128},
    {1, 20, 70, 1, 136, 200},
    {1, 17, 20, 1, 640, 520},
    {2, 21, 21, 2, 6, 6, false, 0, 0, true},
    {1, 1024, 1024, 1, 64, 64},
    {1, 1024, 77, 8, 64, 64},
    {1, 70, 1300, 8, 16, 24},
    {1, 1300, 1300, 8, 8, 8, true},
};

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionVjpTest, testing::ValuesIn(cases));

} // namespace
} // namespace hb::test
