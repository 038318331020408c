// kernel.contract outer against loops in double precision, at odd sizes, with either side the wide one, for every instruction level.
#include "tests/lowering/emit/EmitHarness.h"

#include <cstring>
#include <gtest/gtest.h>

namespace hb::test {
namespace {

std::string s(int64_t value) { return std::to_string(value); }

/// `gap`: elements between the rows of both factors.
void check(int64_t terms, int64_t m, int64_t n, int64_t gap = 0) {
  SCOPED_TRACE(s(terms) + " terms, " + s(m) + "x" + s(n) + ", gap " + s(gap));
  auto factor = [&](int64_t columns) {
    return "tensor<" + s(terms) + "x" + s(columns) + "xf32" + (gap ? ", #kernel.strided<3, [" + s(columns + gap) + ", 1]>>" : ">");
  };
  const std::string at = factor(m), bt = factor(n), yt = "tensor<" + s(m) + "x" + s(n) + "xf32>";
  const std::string text = "kernel.def @k(%a: " + at + ", %b: " + bt + ") -> " + yt + " {\n %y = kernel.contract outer a(%a : " + at + ") weight(%b : " + bt + ") {maps = []} -> " +
                           yt + " {\n ^bb0(%acc: f32):\n  kernel.yield %acc : f32\n }\n kernel.return %y : " + yt + "\n}";
  const int64_t offset = gap ? 3 : 0;
  Buffer<float> a(terms * (m + gap) + offset), b(terms * (n + gap) + offset);
  fillRandom(&a[0], a.count, 1);
  fillRandom(&b[0], b.count, 2);
  std::vector<double> want(m * n);
  for (int64_t t = 0; t < terms; ++t)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        want[i * n + j] += double(a[offset + t * (m + gap) + i]) * b[offset + t * (n + gap) + j];
  int64_t grid = 0, scratch = 0;
  for (const TestTarget &target : allTargets()) {
    SCOPED_TRACE(target.cpu);
    Kernel kernel = compileKernel(text, target);
    ASSERT_NE(kernel.function, nullptr) << kernel.error << text;
    if (target.x86) {
      EXPECT_TRUE(grid == 0 || (grid == kernel.grid && scratch == kernel.scratchBytes)) << "variants must cut a launch alike";
      grid = kernel.grid;
      scratch = kernel.scratchBytes;
      std::memset(kernel.scratch.get(), 0xff, kernel.scratchBytes);
    }
    Buffer<float> y(m * n + 16);
    for (size_t i = 0; i < y.count; ++i)
      y[i] = 77.0f;
    kernel.run({&a[0], &b[0], &y[0]});
    EXPECT_LE(relativeError(&y[0], want.data(), want.size()), 5e-7);
    for (int64_t i = 0; i < 16; ++i)
      ASSERT_EQ(y[m * n + i], 77.0f) << "wrote behind the result";
  }
}

TEST(OuterProduct, OddSizes) {
  for (auto [terms, m, n] : std::vector<std::array<int64_t, 3>>{{1, 1, 1}, {3, 1, 17}, {7, 8, 48}, {128, 8, 100}, {128, 100, 8}, {77, 4, 385}, {77, 801, 5}, {154, 21, 60}, {20, 60, 21}, {9, 16, 16}})
    check(terms, m, n);
}

TEST(OuterProduct, ManyTerms) {
  check(161, 8, 50);
  check(1000, 50, 8);
  check(2049, 5, 431);
  check(1291, 33, 70);
}

TEST(OuterProduct, StridedFactors) {
  check(40, 8, 50, 5);
  check(300, 65, 3, 11);
}

} // namespace
} // namespace hb::test
