// kernel.normalize and kernel.group_stats against double loops.
#include "tests/lowering/emit/CompiledKernel.h"

#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hb::test {
namespace {

const char *const plain = "^bb0(%v: f32):\n  kernel.yield %v : f32\n";
const char *const silu = "^bb0(%v: f32):\n  %n = arith.negf %v : f32\n  %e = math.exp %n : f32\n  %o = arith.constant 1.0 : f32\n  %d = arith.addf %e, %o : f32\n  %r = arith.divf %v, %d : f32\n  "
                         "kernel.yield %r : f32\n";
double siluOf(double x) { return x / (1 + std::exp(-x)); }

TEST(LayerNormTest, AgainstDouble) {
  for (int channels : {1, 5, 16, 40, 77, 96, 640, 1283})
    for (double mean : {0.0, 1.0, 100.0}) {
      const int rows = 37;
      std::vector<float> x = normals(rows * channels, 1, mean), g = normals(channels, 2, 1), b = normals(channels, 3);
      std::string type = fmt::format("tensor<{}x{}xf32>", rows, channels), weight = fmt::format("tensor<{}xf32>", channels);
      std::string text = fmt::format("kernel.def @f(%x: {0}, %g: {1}, %b: {1}) -> {0} {{\n%y = kernel.normalize layer %x weight(%g, %b : {1}, {1}) {{eps = 1.0e-5 : f64}} : {0} -> {0} {{\n{2}}}\n"
                                     "kernel.return %y : {0}\n}}\n",
                                     type, weight, channels % 2 ? plain : silu);
      std::vector<double> expected;
      for (int r = 0; r < rows; ++r) {
        double m = 0, v = 0;
        for (int c = 0; c < channels; ++c)
          m += x[r * channels + c];
        m /= channels;
        for (int c = 0; c < channels; ++c)
          v += (x[r * channels + c] - m) * (x[r * channels + c] - m);
        for (int c = 0; c < channels; ++c) {
          double y = (x[r * channels + c] - m) / std::sqrt(v / channels + 1e-5) * g[c] + b[c];
          expected.push_back(channels % 2 ? y : siluOf(y));
        }
      }
      for (const char *cpu : allLevels) {
        if (!canRun(cpu))
          continue;
        CompiledKernel kernel(text, cpu);
        ASSERT_EQ(kernel.error(), "") << text;
        Buffer<float> xs(x, 1), gs(g, 1), bs(b, 1), out(expected.size(), 1);
        kernel.run({xs, gs, bs, out});
        EXPECT_TRUE(out.intact());
        EXPECT_LE(distance(out.data(), expected), 2e-7) << cpu << " " << channels << " mean " << mean;
      }
    }
}

TEST(SoftmaxTest, AgainstDouble) {
  for (int width : {1, 2, 15, 77, 1000, 4097}) {
    const int rows = 9;
    std::vector<float> x = normals(rows * width, 1, 0, 3);
    std::string type = fmt::format("tensor<3x3x{}xf32>", width);
    std::string text = fmt::format("kernel.def @f(%x: {0}) -> {0} {{\n%y = kernel.normalize softmax %x {{eps = 0.0 : f64}} : {0} -> {0} {{\n{1}}}\nkernel.return %y : {0}\n}}\n", type, plain);
    std::vector<double> expected;
    for (int r = 0; r < rows; ++r) {
      double largest = -INFINITY, sum = 0;
      for (int c = 0; c < width; ++c)
        largest = std::max<double>(largest, x[r * width + c]);
      for (int c = 0; c < width; ++c)
        sum += std::exp(x[r * width + c] - largest);
      for (int c = 0; c < width; ++c)
        expected.push_back(std::exp(x[r * width + c] - largest) / sum);
    }
    for (const char *cpu : allLevels) {
      if (!canRun(cpu))
        continue;
      CompiledKernel kernel(text, cpu);
      ASSERT_EQ(kernel.error(), "") << text;
      Buffer<float> xs(x, 1), out(expected.size(), 1);
      kernel.run({xs, out});
      EXPECT_TRUE(out.intact());
      EXPECT_LE(distance(out.data(), expected), 2e-7) << cpu << " " << width;
    }
  }
}

TEST(L2Test, AgainstDouble) {
  for (int width : {1, 3, 64, 771}) {
    const int rows = 5;
    std::vector<float> x = normals(rows * width, 1);
    std::fill(x.begin(), x.begin() + width, 0.0f); // a zero row stays zero
    std::string type = fmt::format("tensor<{}x{}xf32>", rows, width);
    std::string text = fmt::format("kernel.def @f(%x: {0}) -> {0} {{\n%y = kernel.normalize l2 %x {{eps = 1.0e-12 : f64}} : {0} -> {0} {{\n{1}}}\nkernel.return %y : {0}\n}}\n", type, plain);
    std::vector<double> expected;
    for (int r = 0; r < rows; ++r) {
      double sum = 0;
      for (int c = 0; c < width; ++c)
        sum += double(x[r * width + c]) * x[r * width + c];
      for (int c = 0; c < width; ++c)
        expected.push_back(x[r * width + c] / std::max(std::sqrt(sum), 1e-12));
    }
    for (const char *cpu : allLevels) {
      if (!canRun(cpu))
        continue;
      CompiledKernel kernel(text, cpu);
      ASSERT_EQ(kernel.error(), "") << text;
      Buffer<float> xs(x, 1), out(expected.size(), 1);
      kernel.run({xs, out});
      EXPECT_TRUE(out.intact());
      EXPECT_LE(distance(out.data(), expected), 2e-7) << cpu << " " << width;
    }
  }
}

struct GroupCase {
  int batch, height, width, channels, groups, chunks;
  double mean;
  bool padded;
};
void PrintTo(const GroupCase &c, std::ostream *out) { *out << fmt::format("{}x{}x{}x{} groups {} chunks {} mean {}{}", c.batch, c.height, c.width, c.channels, c.groups, c.chunks, c.mean, c.padded ? " padded" : ""); }
class GroupNormTest : public testing::TestWithParam<GroupCase> {};

TEST_P(GroupNormTest, StatisticsAndApplication) {
  const GroupCase c = GetParam();
  const int pixels = c.height * c.width, per = c.channels / c.groups, run = (pixels + c.chunks - 1) / c.chunks;
  const int top = c.padded ? 1 : 0, bottom = c.padded ? 2 : 0, left = c.padded ? 1 : 0, right = c.padded ? 3 : 0;
  std::vector<float> x = normals(size_t(c.batch) * pixels * c.channels, 1, c.mean), g = normals(c.channels, 2, 1), b = normals(c.channels, 3);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] *= 1 + 0.5f * float(i % c.channels) / c.channels; // groups differ
  std::string xType = fmt::format("tensor<{}x{}x{}x{}xf32>", c.batch, c.height, c.width, c.channels), sType = fmt::format("tensor<{}x{}x{}x2xf32>", c.batch, c.chunks, c.groups),
              wType = fmt::format("tensor<{}xf32>", c.channels), yType = fmt::format("tensor<{}x{}x{}x{}xf32>", c.batch, c.height + top + bottom, c.width + left + right, c.channels);
  std::string statsText = fmt::format("kernel.def @s(%x: {0}) -> {1} {{\n%y = kernel.group_stats %x {{groups = {2} : i64, chunks = {3} : i64}} : {0} -> {1}\nkernel.return %y : {1}\n}}\n", xType, sType, c.groups, c.chunks);
  std::string applyText = fmt::format("kernel.def @a(%x: {0}, %s: {1}{5}) -> {3} {{\n%y = kernel.normalize group %x stats(%s : {1}){6} {{eps = 1.0e-5 : f64, groups = {4} : i64, pad = array<i64: {7}, {8}, "
                                      "{9}, {10}>}} : {0} -> {3} {{\n{2}}}\nkernel.return %y : {3}\n}}\n",
                                      xType, sType, silu, yType, c.groups, fmt::format(", %g: {0}, %b: {0}", wType),
                                      fmt::format(" weight(%g, %b : {0}, {0})", wType), top, bottom, left, right);
  std::vector<double> means, deviations, expected(size_t(c.batch) * (c.height + top + bottom) * (c.width + left + right) * c.channels, 0.0);
  for (int n = 0; n < c.batch; ++n) {
    auto at = [&](int pixel, int channel) { return double(x[(size_t(n) * pixels + pixel) * c.channels + channel]); };
    for (int chunk = 0; chunk < c.chunks; ++chunk)
      for (int group = 0; group < c.groups; ++group) {
        int first = std::min(chunk * run, pixels), end = std::min(first + run, pixels);
        double m = 0, v = 0;
        for (int p = first; p < end; ++p)
          for (int k = 0; k < per; ++k)
            m += at(p, group * per + k);
        m = end > first ? m / ((end - first) * per) : 0;
        for (int p = first; p < end; ++p)
          for (int k = 0; k < per; ++k)
            v += (at(p, group * per + k) - m) * (at(p, group * per + k) - m);
        means.push_back(m);
        deviations.push_back(v);
      }
    for (int group = 0; group < c.groups; ++group) {
      double m = 0, v = 0;
      for (int p = 0; p < pixels; ++p)
        for (int k = 0; k < per; ++k)
          m += at(p, group * per + k);
      m /= double(pixels) * per;
      for (int p = 0; p < pixels; ++p)
        for (int k = 0; k < per; ++k)
          v += (at(p, group * per + k) - m) * (at(p, group * per + k) - m);
      for (int p = 0; p < pixels; ++p)
        for (int k = 0; k < per; ++k) {
          int channel = group * per + k;
          double y = (at(p, channel) - m) / std::sqrt(v / (double(pixels) * per) + 1e-5);
          y = y * g[channel] + b[channel];
          size_t row = (size_t(n) * (c.height + top + bottom) + p / c.width + top) * (c.width + left + right) + p % c.width + left;
          expected[row * c.channels + channel] = siluOf(y);
        }
    }
  }
  for (const char *cpu : allLevels) {
    if (!canRun(cpu))
      continue;
    CompiledKernel stats(statsText, cpu), apply(applyText, cpu);
    ASSERT_EQ(stats.error() + apply.error(), "") << applyText;
    Buffer<float> xs(x, 1), gs(g, 1), bs(b, 1), partial(means.size() * 2, 1), out(expected.size(), 1);
    stats.run({xs, partial});
    EXPECT_TRUE(partial.intact());
    std::vector<float> m, v;
    for (size_t i = 0; i < means.size(); ++i) {
      m.push_back(partial[2 * i]);
      v.push_back(partial[2 * i + 1]);
    }
    // Means near zero have a rounding that is relative to the elements, not to themselves.
    for (size_t i = 0; i < means.size(); ++i)
      EXPECT_NEAR(m[i], means[i], 1e-7 * (1 + std::abs(means[i]))) << cpu;
    EXPECT_LE(distance(v.data(), deviations), 2e-7) << cpu;
    apply.run({xs, partial, gs, bs, out});
    EXPECT_TRUE(out.intact());
    // The stored means are rounded to f32: with a large mean that alone moves every element by up to 6e-8·mean.
    EXPECT_LE(distance(out.data(), expected), 2e-7 * std::max(1.0, c.mean)) << cpu;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, GroupNormTest,
                         testing::Values(GroupCase{2, 8, 8, 320, 32, 4, 0, false}, GroupCase{1, 5, 7, 12, 4, 3, 1, true}, GroupCase{2, 9, 3, 21, 7, 8, 0, true},
                                         GroupCase{1, 3, 3, 5, 5, 4, 2, false}, GroupCase{1, 3, 3, 9, 1, 8, 0, false}, GroupCase{1, 32, 40, 640, 32, 5, 0, true},
                                         GroupCase{1, 20, 20, 64, 32, 2, 30, false}, GroupCase{1, 17, 31, 33, 3, 1, 0, false}));

} // namespace
} // namespace hb::test
