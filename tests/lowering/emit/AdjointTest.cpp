// kernel.contract with `adjoint` against the same product with a weight that was transposed before it was packed: the same bits, at odd
// sizes, for every instruction level this machine runs.
#include "tests/lowering/emit/EmitHarness.h"

#include <cstring>
#include <gtest/gtest.h>

namespace hb::test {
namespace {

std::string s(int64_t value) { return std::to_string(value); }

std::string join(std::initializer_list<int64_t> extents) {
  std::string text;
  for (int64_t extent : extents)
    text += s(extent) + "x";
  return text;
}

/// A contraction of `form` with a residual behind it.
std::string contraction(const std::string &form, const std::string &at, const std::string &wt, const std::string &yt, bool adjoint) {
  const bool planes = form == "planes";
  const std::string rank = yt.find("x", yt.find("x", yt.find("x") + 1) + 1) == std::string::npos ? "(i, j) -> (i, j)" : "(b, i, j, c) -> (b, i, j, c)";
  return "kernel.def @k(%x: " + at + ", %w: " + wt + (planes ? "" : ", %r: " + yt) + ") -> " + yt + " {\n %y = kernel.contract " + form + " a(%x : " + at + ") weight(%w : " + wt + ")" +
         (planes ? " {maps = []" : " extras(%r : " + yt + ") {maps = [affine_map<" + rank + ">]") + (adjoint ? ", adjoint" : "") + "} -> " + yt + " {\n ^bb0(%acc: f32" +
         (planes ? "):\n  kernel.yield %acc : f32" : ", %res: f32):\n  %s = arith.addf %acc, %res : f32\n  kernel.yield %s : f32") + "\n }\n kernel.return %y : " + yt + "\n}";
}

/// Both kernels on the same rows; the second one's weight is the adjoint's.
void compare(const std::string &shared, Buffer<char> &packed, const std::string &copied, Buffer<char> &transposed, int64_t inputs, int64_t results, bool planes) {
  Buffer<float> x(inputs), residual(results);
  fillRandom(&x[0], inputs, 1);
  fillRandom(&residual[0], results, 2);
  for (const TestTarget &target : planes ? runnableTargets() : allTargets()) { // planes are for processors alone
    SCOPED_TRACE(target.cpu);
    Kernel one = compileKernel(shared, target), two = compileKernel(copied, target);
    ASSERT_NE(one.function, nullptr) << one.error << shared;
    ASSERT_NE(two.function, nullptr) << two.error << copied;
    EXPECT_EQ(one.grid, two.grid);
    Buffer<float> y(results + 16), want(results + 16);
    for (int64_t i = 0; i < results + 16; ++i)
      y[i] = want[i] = 77.0f;
    // Scratch starts as NaN: no term that was not written may be read.
    std::memset(one.scratch.get(), 0xff, one.scratchBytes);
    std::vector<void *> a{&x[0], &packed[0]}, b{&x[0], &transposed[0]};
    if (!planes) {
      a.push_back(&residual[0]);
      b.push_back(&residual[0]);
    }
    a.push_back(&y[0]);
    b.push_back(&want[0]);
    one.run(a);
    two.run(b);
    EXPECT_EQ(std::memcmp(&y[0], &want[0], (results + 16) * sizeof(float)), 0) << "first values " << y[0] << " and " << want[0];
  }
}

void checkLinear(int64_t m, int64_t rows, int64_t columns, Storage storage) {
  SCOPED_TRACE("M " + s(m) + ", weight " + s(rows) + "x" + s(columns) + " " + typeName(storage));
  std::vector<float> w(rows * columns), turned(rows * columns);
  fillRandom(w.data(), w.size(), 3);
  for (int64_t o = 0; o < rows; ++o)
    for (int64_t c = 0; c < columns; ++c)
      turned[c * rows + o] = w[o * columns + c];
  Buffer<char> packed = packPanels(w, rows, columns, storage), transposed = packPanels(turned, columns, rows, storage);
  auto text = [&](bool adjoint) {
    const std::string wt = "tensor<" + (adjoint ? join({rows, columns}) : join({columns, rows})) + typeName(storage) + ", #kernel.packed<panel16>>";
    return contraction("linear", "tensor<" + join({m, rows}) + "f32>", wt, "tensor<" + join({m, columns}) + "f32>", adjoint);
  };
  compare(text(true), packed, text(false), transposed, m * rows, m * columns, false);
}

TEST(Adjoint, Linear) {
  for (Storage storage : {Storage::F32, Storage::F16, Storage::BF16})
    for (auto [m, rows, columns] : std::vector<std::array<int64_t, 3>>{{1, 1, 1}, {1, 37, 53}, {2, 64, 200}, {3, 77, 16}, {5, 16, 40}, {23, 161, 47}, {40, 320, 100}, {200, 385, 96}})
      checkLinear(m, rows, columns, storage);
}

/// Blocks of K whose first term lies inside a panel of rows.
TEST(Adjoint, LongSums) {
  checkLinear(29, 13001, 48, Storage::F16);
  checkLinear(40, 14008, 70, Storage::F32);
  checkLinear(2, 9000, 33, Storage::BF16);
  checkLinear(128, 5120, 640, Storage::F16);
  checkLinear(128, 640, 5120, Storage::F16);
  checkLinear(512, 320, 960, Storage::F16);
}

void checkConv(int64_t h, int64_t w, int64_t rows, int64_t columns, int64_t kh, int64_t kw, Storage storage) {
  SCOPED_TRACE("conv " + s(h) + "x" + s(w) + ", weight " + join({rows, columns, kh, kw}) + typeName(storage));
  const int64_t taps = kh * kw;
  std::vector<float> g(rows * taps * columns), turned(g.size()); // [O, taps, C], and [C, taps, O] with the taps reversed
  fillRandom(g.data(), g.size(), 3);
  for (int64_t o = 0; o < rows; ++o)
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t c = 0; c < columns; ++c)
        turned[(c * taps + taps - 1 - tap) * rows + o] = g[(o * taps + tap) * columns + c];
  Buffer<char> packed = packPanels(g, rows, taps * columns, storage), transposed = packPanels(turned, columns, taps * rows, storage);
  auto text = [&](bool adjoint) {
    const std::string wt = "tensor<" + (adjoint ? join({rows, columns, kh, kw}) : join({columns, rows, kh, kw})) + typeName(storage) + ", #kernel.packed<panel16>>";
    return contraction("conv2d", "tensor<" + join({2, h, w, rows}) + "f32>", wt, "tensor<" + join({2, h - kh + 1, w - kw + 1, columns}) + "f32>", adjoint);
  };
  compare(text(true), packed, text(false), transposed, 2 * h * w * rows, 2 * (h - kh + 1) * (w - kw + 1) * columns, false);
}

TEST(Adjoint, Conv2d) {
  for (Storage storage : {Storage::F32, Storage::F16})
    for (auto [h, w, rows, columns, kh, kw] : std::vector<std::array<int64_t, 6>>{{5, 6, 4, 20, 3, 3}, {10, 9, 33, 5, 3, 3}, {8, 8, 20, 16, 2, 3}, {12, 12, 48, 64, 3, 3}})
      checkConv(h, w, rows, columns, kh, kw, storage);
  checkConv(6, 6, 1280, 640, 3, 3, Storage::F16);
  checkConv(10, 10, 4, 320, 3, 3, Storage::F16);
  checkConv(7, 9, 1490, 35, 3, 3, Storage::F16); // blocks of K that begin and end under a tap
}

/// Planes of the adjoint are those of the product, transposed, the outer rows and columns of the 4 × 4 exchanged,
/// with the sign that the points' divisors give (as WinogradTest derives them).
TEST(Adjoint, Planes) {
  for (auto [tiles, rows, columns] : std::vector<std::array<int64_t, 3>>{{9, 20, 17}, {300, 70, 48}, {2, 33, 100}, {128, 320, 320}, {128, 320, 960}}) {
    SCOPED_TRACE("tiles " + s(tiles) + ", weight " + s(rows) + "x" + s(columns));
    // From taps, so that the exchange is what reversed taps really give: U = G g Gᵀ.
    const double transform[4][3] = {{-1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    std::vector<float> g(rows * columns * 9);
    fillRandom(g.data(), g.size(), 3);
    auto pack = [&](bool adjoint) {
      const int64_t n = adjoint ? rows : columns, k = adjoint ? columns : rows, planeBytes = (n + 15) / 16 * 16 * k * 4;
      Buffer<char> all(16 * planeBytes);
      for (int64_t plane = 0; plane < 16; ++plane) {
        std::vector<float> matrix(n * k);
        for (int64_t i = 0; i < n; ++i)
          for (int64_t j = 0; j < k; ++j) {
            const float *taps = &g[((adjoint ? i : j) * columns + (adjoint ? j : i)) * 9];
            double sum = 0;
            for (int64_t tap = 0; tap < 9; ++tap)
              sum += transform[plane / 4][tap / 3] * taps[adjoint ? tap : 8 - tap] * transform[plane % 4][tap % 3];
            matrix[i * k + j] = static_cast<float>(sum);
          }
        Buffer<char> one = packPanels(matrix, n, k, Storage::F32);
        std::copy(&one[0], &one[0] + one.count, &all[plane * planeBytes]);
      }
      return all;
    };
    Buffer<char> packed = pack(true), transposed = pack(false);
    auto text = [&](bool adjoint) {
      const std::string wt = "tensor<" + (adjoint ? join({rows, columns}) : join({columns, rows})) + "3x3xf32, #kernel.packed<winograd_f2>>";
      return contraction("planes", "tensor<" + join({16, tiles, rows}) + "f32>", wt, "tensor<" + join({16, tiles, columns}) + "f32>", adjoint);
    };
    compare(text(true), packed, text(false), transposed, 16 * tiles * rows, 16 * tiles * columns, true);
  }
}

} // namespace
} // namespace hb::test
