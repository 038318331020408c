// kernel.reduce and kernel.adaptive_pool against double loops.
#include "tests/lowering/emit/CompiledKernel.h"

#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <numeric>

namespace hb::test {
namespace {

using Index = std::vector<int64_t>;
int64_t sizeOf(const Index &shape) { return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>()); }
std::string tensor(const Index &shape, const char *element = "f32") {
  std::string text = "tensor<";
  for (int64_t extent : shape)
    text += fmt::format("{}x", extent);
  return text + element + ">";
}

struct Case {
  const char *name;
  const char *combine;
  Index result, reduced;
  std::vector<Index> shapes;      ///< one or two operands; two are multiplied
  std::vector<const char *> maps; ///< texts
  std::vector<std::function<int64_t(const Index &)>> at;
};
void PrintTo(const Case &c, std::ostream *out) { *out << c.name << " " << c.combine; }
class ReduceTest : public testing::TestWithParam<Case> {};

TEST_P(ReduceTest, AgainstDouble) {
  const Case &c = GetParam();
  Index extents = c.result;
  extents.insert(extents.end(), c.reduced.begin(), c.reduced.end());
  const bool two = c.shapes.size() == 2, argmax = std::string(c.combine) == "argmax";
  std::string type = tensor(c.result, argmax ? "i64" : "f32"), types = tensor(c.shapes[0]) + (two ? ", " + tensor(c.shapes[1]) : ""), list;
  for (int64_t extent : extents)
    list += fmt::format("{}{}", list.empty() ? "" : ", ", extent);
  std::string text = fmt::format("kernel.def @r(%x: {}{}) -> {} {{\n%r = kernel.reduce {} (%x{} : {}) [affine_map<{}>{}] {{extents = array<i64: {}>}} -> {} {{\n^bb0(%a: f32{}):\n{}}}\nkernel.return %r : "
                                 "{}\n}}\n",
                                 tensor(c.shapes[0]), two ? ", %y: " + tensor(c.shapes[1]) : "", type, c.combine, two ? ", %y" : "", types, c.maps[0],
                                 two ? fmt::format(", affine_map<{}>", c.maps[1]) : "", list, type, two ? ", %b: f32" : "",
                                 two ? "  %p = arith.mulf %a, %b : f32\n  kernel.yield %p : f32\n" : "  kernel.yield %a : f32\n", type);
  std::vector<float> x = normals(sizeOf(c.shapes[0]), 1, 0.3), y = two ? normals(sizeOf(c.shapes[1]), 2, 0.3) : std::vector<float>();
  std::vector<double> expected, scale;
  std::vector<int64_t> places;
  const int64_t results = sizeOf(c.result), terms = sizeOf(c.reduced);
  for (int64_t flat = 0; flat < results; ++flat) {
    double sum = 0, magnitude = 0, largest = -INFINITY;
    int64_t place = 0;
    for (int64_t term = 0; term < terms; ++term) {
      Index index(extents.size());
      int64_t rest = flat;
      for (size_t axis = c.result.size(); axis-- > 0; rest /= c.result[axis])
        index[axis] = rest % c.result[axis];
      rest = term;
      for (size_t axis = c.reduced.size(); axis-- > 0; rest /= c.reduced[axis])
        index[c.result.size() + axis] = rest % c.reduced[axis];
      double value = x[c.at[0](index)];
      if (two)
        value *= y[c.at[1](index)];
      sum += value;
      magnitude += std::abs(value);
      if (value > largest) {
        largest = value;
        place = term;
      }
    }
    std::string combine = c.combine;
    expected.push_back(combine == "sum" ? sum : combine == "mean" ? sum / terms : float(largest));
    places.push_back(place);
  }
  for (const char *cpu : allLevels) {
    if (!canRun(cpu))
      continue;
    CompiledKernel kernel(text, cpu);
    ASSERT_EQ(kernel.error(), "") << text;
    Buffer<float> xs(x, 1), ys(y, 1), out(results, 1);
    Buffer<int64_t> picked(results, 1);
    std::vector<void *> buffers = {xs};
    if (two)
      buffers.push_back(ys);
    buffers.push_back(argmax ? static_cast<void *>(picked) : static_cast<void *>(out));
    kernel.run(buffers);
    EXPECT_TRUE(out.intact() && picked.intact());
    if (argmax) {
      for (int64_t flat = 0; flat < results; ++flat)
        ASSERT_EQ(picked[flat], places[flat]) << cpu;
    } else {
      EXPECT_LE(distance(out.data(), expected), 2e-7) << cpu;
    }
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char *combine : {"sum", "mean", "max"}) {
    all.push_back({"last axis", combine, {3, 5}, {77}, {{3, 5, 77}}, {"(a, b, c) -> (a, b, c)"}, {[](const Index &i) { return (i[0] * 5 + i[1]) * 77 + i[2]; }}});
    all.push_back({"long", combine, {2}, {70003}, {{2, 70003}}, {"(a, b) -> (a, b)"}, {[](const Index &i) { return i[0] * 70003 + i[1]; }}});
    all.push_back({"tokens", combine, {2, 133}, {257}, {{2, 257, 133}}, {"(a, b, c) -> (a, c, b)"}, {[](const Index &i) { return (i[0] * 257 + i[2]) * 133 + i[1]; }}});
    all.push_back({"picture", combine, {2, 64}, {9, 11}, {{2, 9, 11, 64}}, {"(b, c, h, w) -> (b, h, w, c)"}, {[](const Index &i) { return ((i[0] * 9 + i[2]) * 11 + i[3]) * 64 + i[1]; }}});
    all.push_back({"middle", combine, {3, 7}, {5}, {{3, 5, 7}}, {"(a, b, c) -> (a, c, b)"}, {[](const Index &i) { return (i[0] * 5 + i[2]) * 7 + i[1]; }}});
    all.push_back({"everything", combine, {}, {4, 300}, {{4, 300}}, {"(a, b) -> (a, b)"}, {[](const Index &i) { return i[0] * 300 + i[1]; }}});
    all.push_back({"nothing", combine, {37}, {}, {{37}}, {"(a) -> (a)"}, {[](const Index &i) { return i[0]; }}});
    all.push_back({"one", combine, {2, 3}, {1}, {{2, 3}}, {"(a, b, c) -> (a, b)"}, {[](const Index &i) { return i[0] * 3 + i[1]; }}});
  }
  all.push_back({"a·bᵀ", "sum", {13, 19}, {83}, {{13, 83}, {19, 83}}, {"(m, n, k) -> (m, k)", "(m, n, k) -> (n, k)"}, {[](const Index &i) { return i[0] * 83 + i[2]; }, [](const Index &i) { return i[1] * 83 + i[2]; }}});
  all.push_back({"a·b", "sum", {2, 13, 150}, {83}, {{2, 13, 83}, {2, 83, 150}}, {"(b, m, n, k) -> (b, m, k)", "(b, m, n, k) -> (b, k, n)"},
                 {[](const Index &i) { return (i[0] * 13 + i[1]) * 83 + i[3]; }, [](const Index &i) { return (i[0] * 83 + i[3]) * 150 + i[2]; }}});
  all.push_back({"wide rows", "sum", {40000}, {3}, {{3, 40000}}, {"(a, b) -> (b, a)"}, {[](const Index &i) { return i[1] * 40000 + i[0]; }}});
  all.push_back({"rows", "argmax", {7}, {133}, {{7, 133}}, {"(a, b) -> (a, b)"}, {[](const Index &i) { return i[0] * 133 + i[1]; }}});
  all.push_back({"columns", "argmax", {7}, {33}, {{33, 7}}, {"(a, b) -> (b, a)"}, {[](const Index &i) { return i[1] * 7 + i[0]; }}});
  all.push_back({"scalar", "argmax", {}, {33}, {{33}}, {"(a) -> (a)"}, {[](const Index &i) { return i[0]; }}});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Shapes, ReduceTest, testing::ValuesIn(cases()));

TEST(ReduceTest, IntegerArgmaxTakesTheFirst) {
  std::string text = "kernel.def @r(%x: tensor<3x9xi64>) -> tensor<3xi64> {\n%r = kernel.reduce argmax (%x : tensor<3x9xi64>) [affine_map<(a, b) -> (a, b)>] {extents = array<i64: 3, 9>} -> tensor<3xi64> {\n"
                     "^bb0(%a: i64):\n  %f = arith.sitofp %a : i64 to f32\n  kernel.yield %f : f32\n}\nkernel.return %r : tensor<3xi64>\n}\n";
  for (const char *cpu : allLevels) {
    if (!canRun(cpu))
      continue;
    CompiledKernel kernel(text, cpu);
    ASSERT_EQ(kernel.error(), "");
    Buffer<int64_t> x(std::vector<int64_t>{1, 9, 3, 9, 2, 9, 0, 0, 0, -5, -4, -9, -3, -3, -7, -8, -9, -9, 49407, 1, 2, 49407, 3, 49407, 1, 1, 1}), out(3);
    kernel.run({x, out});
    EXPECT_EQ(out[0], 1);
    EXPECT_EQ(out[1], 3);
    EXPECT_EQ(out[2], 0);
  }
}

TEST(AdaptivePoolTest, AgainstDouble) {
  for (auto [H, W, h, w, C] : {std::tuple{12, 12, 7, 7, 3}, {9, 20, 4, 5, 33}, {5, 5, 9, 9, 16}, {40, 40, 1, 1, 64}, {7, 3, 7, 3, 1}}) {
    std::vector<float> x = normals(2 * H * W * C, 1, 0.2);
    std::string text = fmt::format("kernel.def @p(%x: {0}) -> {1} {{\n%y = kernel.adaptive_pool %x : {0} -> {1}\nkernel.return %y : {1}\n}}\n", tensor({2, H, W, C}), tensor({2, h, w, C}));
    std::vector<double> expected;
    for (int b = 0; b < 2; ++b)
      for (int i = 0; i < h; ++i)
        for (int j = 0; j < w; ++j)
          for (int c = 0; c < C; ++c) {
            double sum = 0;
            int count = 0;
            for (int y = i * H / h; y < ((i + 1) * H + h - 1) / h; ++y)
              for (int z = j * W / w; z < ((j + 1) * W + w - 1) / w; ++z, ++count)
                sum += x[((b * H + y) * W + z) * C + c];
            expected.push_back(sum / count);
          }
    for (const char *cpu : allLevels) {
      if (!canRun(cpu))
        continue;
      CompiledKernel kernel(text, cpu);
      ASSERT_EQ(kernel.error(), "");
      Buffer<float> xs(x, 1), out(expected.size(), 1);
      kernel.run({xs, out});
      EXPECT_TRUE(out.intact());
      EXPECT_LE(distance(out.data(), expected), 2e-7) << cpu;
    }
  }
}

} // namespace
} // namespace hb::test
