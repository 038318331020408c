// Winograd's convolution as three kernels against the direct sum in double precision. The weight's transform is written out
// here once more, from its definition, so that a wrong sign on either side shows.
#include "tests/lowering/emit/EmitHarness.h"

#include <gtest/gtest.h>

namespace hb::test {
namespace {

std::string s(int64_t value) { return std::to_string(value); }

/// G: row per point a, [1, a, a²] / Π(a - other points); infinity last.
std::vector<std::array<double, 3>> weightTransform(int64_t m) {
  std::vector<double> points = m == 2 ? std::vector<double>{0, 1, -1} : std::vector<double>{0, 0.75, -0.75, 1.5, -1.5};
  std::vector<std::array<double, 3>> g;
  for (size_t i = 0; i < points.size(); ++i) {
    double divisor = 1;
    for (size_t j = 0; j < points.size(); ++j)
      divisor *= i == j ? 1 : points[i] - points[j];
    g.push_back({1 / divisor, points[i] / divisor, points[i] * points[i] / divisor});
  }
  g.push_back({0, 0, 1});
  return g;
}

/// `padPlanes`: elements between planes, as the planner may ask for. `slabRows`: rows of tiles in a slab, which must divide all; 0: no slabs.
void check(int64_t b, int64_t h, int64_t w, int64_t ci, int64_t co, int64_t mr, int64_t mc, int64_t padPlanes, int64_t slabRows = 0) {
  SCOPED_TRACE(s(b) + "x" + s(h) + "x" + s(w) + "x" + s(ci) + " -> " + s(co) + ", F(" + s(mr) + "x" + s(mc) + ")");
  const int64_t tileRows = b * (h / mr), slab = slabRows ? slabRows : tileRows;
  const int64_t planes = (mr + 2) * (mc + 2), tiles = slab * (w / mc), panels = (co + 15) / 16;
  Buffer<float> x(b * (h + 2) * (w + 2) * ci), bias(co), residual(b * h * w * co);
  std::vector<float> g(co * ci * 9);
  fillRandom(&x[0], x.count, 1);
  fillRandom(g.data(), g.size(), 2);
  fillRandom(&bias[0], co, 3);
  fillRandom(&residual[0], residual.count, 4);
  auto gr = weightTransform(mr), gc = weightTransform(mc);
  Buffer<float> u(planes * panels * ci * 16);
  for (int64_t o = 0; o < co; ++o)
    for (int64_t i = 0; i < ci; ++i)
      for (int64_t p = 0; p < planes; ++p) {
        double sum = 0;
        for (int64_t y = 0; y < 3; ++y)
          for (int64_t z = 0; z < 3; ++z)
            sum += gr[p / (mc + 2)][y] * g[(o * ci + i) * 9 + y * 3 + z] * gc[p % (mc + 2)][z];
        u[((p * panels + o / 16) * ci + i) * 16 + o % 16] = static_cast<float>(sum);
      }
  std::vector<double> want;
  for (int64_t n = 0; n < b; ++n)
    for (int64_t i = 0; i < h; ++i)
      for (int64_t j = 0; j < w; ++j)
        for (int64_t o = 0; o < co; ++o) {
          double sum = double(bias[o]) + residual[((n * h + i) * w + j) * co + o];
          for (int64_t c = 0; c < ci; ++c)
            for (int64_t y = 0; y < 3; ++y)
              for (int64_t z = 0; z < 3; ++z)
                sum += double(x[((n * (h + 2) + i + y) * (w + 2) + j + z) * ci + c]) * g[(o * ci + c) * 9 + y * 3 + z];
          want.push_back(sum);
        }

  auto planeType = [&](int64_t channels) {
    std::string type = "tensor<" + s(planes) + "x" + s(tiles) + "x" + s(channels) + "xf32";
    return type + (padPlanes ? ", #kernel.strided<0, [" + s(tiles * channels + padPlanes) + ", " + s(channels) + ", 1]>>" : ">");
  };
  const std::string xt = "tensor<" + s(b) + "x" + s(h + 2) + "x" + s(w + 2) + "x" + s(ci) + "xf32>",
                    yt = "tensor<" + s(b) + "x" + s(h) + "x" + s(w) + "x" + s(co) + "xf32>";
  const std::string m = "m = array<i64: " + s(mr) + ", " + s(mc) + ">", bt = "tensor<" + s(co) + "xf32>";
  const std::string wt = "tensor<" + s(co) + "x" + s(ci) + "x3x3xf32, #kernel.packed<" + (mr == 2 ? "winograd_f2" : "winograd_f4x2") + ">>";
  // Each slab goes into the picture of the one before; the first one, too, so that one kernel serves all.
  const std::string number = slabRows ? ", %first: tensor<i64>" : "", slabText = slabRows ? " slab(%first : tensor<i64>)" : "";
  const std::string in = "kernel.def @k(%x: " + xt + number + ") -> " + planeType(ci) + " {\n %v = kernel.winograd_input %x" + slabText + " {" + m + "} : " + xt + " -> " +
                         planeType(ci) + "\n kernel.return %v : " + planeType(ci) + "\n}";
  const std::string middle = "kernel.def @k(%v: " + planeType(ci) + ", %u: " + wt + ") -> " + planeType(co) +
                             " {\n %p = kernel.contract planes a(%v : " + planeType(ci) + ") weight(%u : " + wt + ") {maps = []} -> " + planeType(co) +
                             " {\n ^bb0(%acc: f32):\n  kernel.yield %acc : f32\n }\n kernel.return %p : " + planeType(co) + "\n}";
  const std::string out = "kernel.def @k(%p: " + planeType(co) + number + (slabRows ? ", %into: " + yt : "") + ", %b: " + bt + ", %r: " + yt + ") -> " + yt +
                          " {\n %y = kernel.winograd_output %p" + slabText + (slabRows ? " into(%into : " + yt + ")" : "") + " extras(%b, %r : " + bt + ", " + yt + ") {" + m +
                          ", maps = [affine_map<(b, i, j, c) -> (c)>, affine_map<(b, i, j, c) -> (b, i, j, c)>]} : " + planeType(co) + " -> " + yt +
                          " {\n ^bb0(%acc: f32, %b0: f32, %r0: f32):\n  %1 = arith.addf %acc, %b0 : f32\n  %2 = arith.addf %1, %r0 : f32\n  kernel.yield %2 : "
                          "f32\n }\n kernel.return %y : " +
                          yt + "\n}";
  for (const TestTarget &target : runnableTargets()) {
    SCOPED_TRACE(target.cpu);
    Kernel transform = compileKernel(in, target), product = compileKernel(middle, target), back = compileKernel(out, target);
    ASSERT_TRUE(transform.function) << transform.error;
    ASSERT_TRUE(product.function) << product.error;
    ASSERT_TRUE(back.function) << back.error;
    Buffer<float> v(planes * (tiles * ci + padPlanes)), p(planes * (tiles * co + padPlanes)), y(want.size() + 16);
    y[want.size()] = 77.0f;
    for (int64_t first = 0; first < tileRows; first += slab) {
      std::vector<void *> from{&x[0], &v[0]}, to{&p[0], &bias[0], &residual[0], &y[0]};
      if (slabRows) {
        from.insert(from.begin() + 1, &first);
        to.insert(to.begin() + 1, {&first, &y[0]});
      }
      transform.run(from);
      product.run({&v[0], &u[0], &p[0]});
      back.run(to);
    }
    EXPECT_LE(relativeError(&y[0], want.data(), want.size()), 5e-7);
    EXPECT_EQ(y[want.size()], 77.0f) << "wrote behind the result";
  }
}

TEST(Winograd, Tiles2x2) {
  check(1, 2, 2, 1, 1, 2, 2, 0);
  check(2, 6, 10, 20, 37, 2, 2, 0);
  check(1, 8, 8, 64, 48, 2, 2, 16);
}

TEST(Winograd, Tiles4x2) {
  check(1, 4, 2, 3, 5, 4, 2, 0);
  check(2, 8, 6, 20, 37, 4, 2, 16);
  check(1, 8, 8, 64, 48, 4, 2, 16);
}

TEST(Winograd, Slabs) {
  check(2, 6, 10, 20, 37, 2, 2, 0, 1);
  check(2, 6, 10, 20, 37, 2, 2, 0, 2); // the second one crosses from one picture to the next
  check(2, 8, 6, 20, 37, 4, 2, 16, 2);
  check(1, 4, 80, 16, 16, 2, 2, 0, 1); // rows in several parts
}

TEST(Winograd, RefusesPicturesThatTilesDoNotCover) {
  Kernel kernel = compileKernel("kernel.def @k(%x: tensor<1x9x8x16xf32>) -> tensor<16x12x16xf32> {\n %v = kernel.winograd_input %x {m = array<i64: 2, 2>} : "
                                "tensor<1x9x8x16xf32> -> tensor<16x12x16xf32>\n"
                                " kernel.return %v : tensor<16x12x16xf32>\n}",
                                runnableTargets().front());
  EXPECT_EQ(kernel.function, nullptr);
  EXPECT_NE(kernel.error.find("divide the picture"), std::string::npos) << kernel.error;
}

} // namespace
} // namespace hb::test
