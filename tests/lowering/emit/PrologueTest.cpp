// kernel.contract with a prologue against loops in double precision, for every instruction level this machine runs.
#include "runtime/abi/kernel.h"
#include "tests/lowering/emit/EmitHarness.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hb::test {
namespace {

enum class Norm { none, layer, group };

struct PrologueCase {
  Norm norm;
  int64_t images, pixels, k, n; ///< images · pixels rows
  bool silu = false, gated = false;
  int64_t rank = 0, groups = 8, chunks = 3;
  double mean = 0;
  Storage storage = Storage::F32;
};

void PrintTo(const PrologueCase &c, std::ostream *out) {
  *out << fmt::format("{} rows {}·{} K {} N {}{}{} rank {} mean {}", c.norm == Norm::none ? "none" : c.norm == Norm::layer ? "layer" : "group", c.images, c.pixels,
                      c.k, c.n, c.silu ? " silu" : "", c.gated ? " gated" : "", c.rank, c.mean);
}

class Prologue : public testing::TestWithParam<PrologueCase> {
protected:
  const PrologueCase c = GetParam();
  const int64_t rows = c.images * c.pixels, weightRows = c.gated ? 2 * c.n : c.n;
  std::vector<float> x, gamma, beta, w, la, lb, ls;

  std::vector<float> values(size_t count, uint32_t seed, double mean = 0) {
    std::vector<float> result(count);
    fillRandom(result.data(), count, seed);
    for (float &value : result)
      value += static_cast<float>(mean);
    return result;
  }

  void SetUp() override {
    gamma = values(c.k, 2, 1), beta = values(c.k, 3), w = values(weightRows * c.k, 4);
    la = values(c.rank * c.k, 5), lb = values(weightRows * c.rank, 6), ls = values(c.rank, 7);
  }

  std::string text() const {
    const std::string a = fmt::format("tensor<{}x{}x{}xf32>", c.images, c.pixels, c.k), y = fmt::format("tensor<{}x{}x{}xf32>", c.images, c.pixels, c.n);
    const std::string layout = c.gated ? "gated_panel16" : "panel16", v = fmt::format("tensor<{}xf32>", c.k);
    const std::string wt = fmt::format("tensor<{}x{}x{}, #kernel.packed<{}>>", weightRows, c.k, typeName(c.storage), layout);
    const std::string st = fmt::format("tensor<{}x{}x{}x2xf32>", c.images, c.chunks, c.groups);
    std::string args = fmt::format("%x: {}, %w: {}", a, wt), norm, attributes, lora, prologue;
    if (c.norm != Norm::none) {
      args += fmt::format(", %g: {0}, %b: {0}", v);
      norm = fmt::format(" norm({} weight %g, %b : {}, {})", c.norm == Norm::layer ? "layer" : "group stats %s : " + st, v, v);
      attributes = "eps = 1.0e-5 : f64, ";
    }
    if (c.norm == Norm::group)
      args += ", %s: " + st;
    if (c.rank) {
      const std::string at = fmt::format("tensor<{}x{}xf32, #kernel.packed<panel16>>", c.rank, c.k), rt = fmt::format("tensor<{}xf32>", c.rank);
      const std::string bt = fmt::format("tensor<{}x{}xf32, #kernel.packed<{}>>", weightRows, c.rank, layout);
      args += fmt::format(", %la: {}, %lb: {}, %ls: {}", at, bt, rt);
      lora = fmt::format(" lora(%la : {}, %lb : {}, %ls : {})", at, bt, rt);
    }
    if (c.silu)
      prologue = " prologue {\n ^bb0(%v: f32):\n  %m = arith.negf %v : f32\n  %e = math.exp %m : f32\n  %o = arith.constant 1.0 : f32\n  %d = arith.addf %e, %o : f32\n"
                 "  %q = arith.divf %v, %d : f32\n  kernel.yield %q : f32\n }";
    return fmt::format("kernel.def @k({0}) -> {1} {{\n %y = kernel.contract linear a(%x : {2}){3} weight(%w : {4}){5} {{{6}maps = []{7}}} -> {1} {{\n ^bb0(%acc: f32{8}):\n{9} }}{10}\n "
                       "kernel.return %y : {1}\n}}",
                       args, y, a, norm, wt, lora, attributes, c.gated ? ", gated" : "", c.gated ? ", %gate: f32" : "",
                       c.gated ? "  %p = arith.mulf %acc, %gate : f32\n  kernel.yield %p : f32\n" : "  kernel.yield %acc : f32\n", prologue);
  }

  /// Partial statistics as kernel.group_stats gives them.
  std::vector<float> statistics() const {
    const int64_t run = (c.pixels + c.chunks - 1) / c.chunks, per = c.k / c.groups;
    std::vector<float> stats(c.images * c.chunks * c.groups * 2);
    for (int64_t i = 0; i < c.images; ++i)
      for (int64_t chunk = 0; chunk < c.chunks; ++chunk)
        for (int64_t g = 0; g < c.groups; ++g) {
          double mean = 0, deviations = 0, count = 0;
          for (int pass = 0; pass < 2; ++pass) {
            for (int64_t p = chunk * run; p < std::min((chunk + 1) * run, c.pixels); ++p)
              for (int64_t k = g * per; k < (g + 1) * per; ++k) {
                double v = x[(i * c.pixels + p) * c.k + k];
                if (pass == 0)
                  mean += v, count += 1;
                else
                  deviations += (v - mean) * (v - mean);
              }
            if (pass == 0 && count > 0)
              mean /= count;
          }
          float *to = &stats[((i * c.chunks + chunk) * c.groups + g) * 2];
          to[0] = static_cast<float>(mean), to[1] = static_cast<float>(deviations);
        }
    return stats;
  }

  std::vector<double> prepared() const {
    std::vector<double> result(x.begin(), x.end());
    const int64_t per = c.norm == Norm::group ? c.k / c.groups : c.k, span = c.norm == Norm::group ? c.pixels : 1;
    for (int64_t first = 0; first < rows && c.norm != Norm::none; first += span)
      for (int64_t k0 = 0; k0 < c.k; k0 += per) {
        double mean = 0, variance = 0;
        auto each = [&](auto body) {
          for (int64_t r = first; r < first + span; ++r)
            for (int64_t k = k0; k < k0 + per; ++k)
              body(r * c.k + k, k);
        };
        each([&](int64_t at, int64_t) { mean += x[at] / double(per * span); });
        each([&](int64_t at, int64_t) { variance += (x[at] - mean) * (x[at] - mean) / double(per * span); });
        each([&](int64_t at, int64_t k) { result[at] = (x[at] - mean) / std::sqrt(variance + 1e-5) * gamma[k] + beta[k]; });
      }
    for (double &v : result)
      v = c.silu ? v / (1 + std::exp(-v)) : v;
    return result;
  }

  std::vector<double> expected() const {
    const std::vector<double> a = prepared();
    std::vector<double> all(rows * weightRows), want(rows * c.n);
    for (int64_t i = 0; i < rows; ++i) {
      std::vector<double> t(c.rank);
      for (int64_t r = 0; r < c.rank; ++r) {
        for (int64_t k = 0; k < c.k; ++k)
          t[r] += a[i * c.k + k] * la[r * c.k + k];
        t[r] *= ls[r];
      }
      for (int64_t j = 0; j < weightRows; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < c.k; ++k)
          sum += a[i * c.k + k] * w[j * c.k + k];
        for (int64_t r = 0; r < c.rank; ++r)
          sum += t[r] * lb[j * c.rank + r];
        all[i * weightRows + j] = sum;
      }
    }
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < c.n; ++j)
        want[i * c.n + j] = all[i * weightRows + j] * (c.gated ? all[i * weightRows + j + c.n] : 1);
    return want;
  }
};

Buffer<float> toBuffer(const std::vector<float> &values) {
  Buffer<float> buffer((values.size() + 15) / 16 * 16 + 16);
  std::copy(values.begin(), values.end(), &buffer[0]);
  return buffer;
}

TEST_P(Prologue, AgainstDouble) {
  Buffer<char> pw = packPanels(w, weightRows, c.k, c.storage, c.gated), pa = packPanels(la, c.rank, c.k, Storage::F32), pb = packPanels(lb, weightRows, c.rank, Storage::F32, c.gated);
  Buffer<float> bg = toBuffer(gamma), bb = toBuffer(beta), bs = toBuffer(ls);
  for (const TestTarget &target : runnableTargets()) {
    SCOPED_TRACE(target.cpu);
    Kernel kernel = compileKernel(text(), target);
    ASSERT_NE(kernel.function, nullptr) << kernel.error << text();
    // The second input must not meet rows that the first one left in scratch.
    for (uint32_t seed : {1u, 8u}) {
      x = values(rows * c.k, seed, c.mean);
      const std::vector<double> want = expected();
      std::vector<float> stats = c.norm == Norm::group ? statistics() : std::vector<float>();
      Buffer<float> bx = toBuffer(x), bt = toBuffer(stats), y(rows * c.n + 16), backwards(rows * c.n + 16);
      auto buffers = [&](Buffer<float> &result) {
        std::vector<void *> all = {&bx[0], &pw[0]};
        if (c.norm != Norm::none)
          all.insert(all.end(), {&bg[0], &bb[0]});
        if (c.norm == Norm::group)
          all.push_back(&bt[0]);
        if (c.rank)
          all.insert(all.end(), {&pa[0], &pb[0], &bs[0]});
        all.push_back(&result[0]);
        return all;
      };
      for (int64_t i = rows * c.n; i < rows * c.n + 16; ++i)
        y[i] = 77.0f;
      kernel.run(buffers(y));
      EXPECT_LE(relativeError(&y[0], want.data(), want.size()), 5e-7);
      for (int64_t i = rows * c.n; i < rows * c.n + 16; ++i)
        ASSERT_EQ(y[i], 77.0f) << "wrote behind the result";
      // Any order of tasks, with whatever tag: the same bits.
      for (int64_t task = kernel.grid; task-- > 0;) {
        std::memset(kernel.scratch.get(), task % 2 ? 0xff : 0, kernel.scratchBytes);
        kernel.function(buffers(backwards).data(), kernel.scratch.get(), task);
      }
      EXPECT_EQ(std::memcmp(&y[0], &backwards[0], rows * c.n * 4), 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Prologue,
                         testing::Values(PrologueCase{Norm::layer, 1, 1, 37, 5}, PrologueCase{Norm::layer, 1, 3, 640, 200}, PrologueCase{Norm::layer, 2, 211, 129, 300},
                                         PrologueCase{.norm = Norm::layer, .images = 1, .pixels = 200, .k = 1024, .n = 70, .mean = 30},
                                         PrologueCase{.norm = Norm::layer, .images = 1, .pixels = 97, .k = 96, .n = 80, .gated = true},
                                         PrologueCase{.norm = Norm::layer, .images = 3, .pixels = 70, .k = 100, .n = 53, .rank = 21},
                                         PrologueCase{.norm = Norm::layer, .images = 1, .pixels = 200, .k = 300, .n = 160, .silu = true, .storage = Storage::F16},
                                         PrologueCase{.norm = Norm::layer, .images = 1, .pixels = 31, .k = 4096, .n = 48, .storage = Storage::BF16},
                                         PrologueCase{Norm::group, 1, 1, 16, 5}, PrologueCase{Norm::group, 3, 130, 64, 200},
                                         PrologueCase{.norm = Norm::group, .images = 5, .pixels = 49, .k = 72, .n = 33, .silu = true, .mean = 10},
                                         PrologueCase{.norm = Norm::group, .images = 2, .pixels = 200, .k = 320, .n = 48, .gated = true, .groups = 32, .chunks = 7},
                                         PrologueCase{.norm = Norm::none, .images = 2, .pixels = 101, .k = 45, .n = 100, .silu = true}));

/// Cut along the columns, a thread prepares its rows once: with the rows overwritten behind the first task, the others still agree.
TEST(PrologueMemory, ColumnBlocksShareTheirRows) {
  const int64_t rows = 96, k = 256, n = 2048;
  const std::string text = fmt::format("kernel.def @k(%x: tensor<{0}x{1}xf32>, %w: tensor<{2}x{1}xf32, #kernel.packed<panel16>>, %g: tensor<{1}xf32>, %b: tensor<{1}xf32>) -> tensor<{0}x{2}xf32> {{\n"
                                       " %y = kernel.contract linear a(%x : tensor<{0}x{1}xf32>) norm(layer weight %g, %b : tensor<{1}xf32>, tensor<{1}xf32>) weight(%w : tensor<{2}x{1}xf32, "
                                       "#kernel.packed<panel16>>) {{eps = 1.0e-5 : f64, maps = []}} -> tensor<{0}x{2}xf32> {{\n ^bb0(%acc: f32):\n  kernel.yield %acc : f32\n }}\n "
                                       "kernel.return %y : tensor<{0}x{2}xf32>\n}}",
                                       rows, k, n);
  std::vector<float> w(n * k), x(rows * k);
  fillRandom(w.data(), w.size(), 1), fillRandom(x.data(), x.size(), 2);
  Buffer<char> pw = packPanels(w, n, k, Storage::F32);
  Buffer<float> ones(k), zeros(k), once(rows * n), each(rows * n);
  for (int64_t i = 0; i < k; ++i)
    ones[i] = 1;
  for (const TestTarget &target : runnableTargets()) {
    Kernel kernel = compileKernel(text, target);
    ASSERT_NE(kernel.function, nullptr) << kernel.error;
    ASSERT_GT(kernel.grid, 1);
    Buffer<float> bx = toBuffer(x);
    std::vector<void *> buffers = {&bx[0], &pw[0], &ones[0], &zeros[0], &each[0]};
    kernel.run(buffers);
    buffers.back() = &once[0];
    std::memset(kernel.scratch.get(), 0, HB_SCRATCH_TAG_BYTES);
    for (int64_t task = 0; task < kernel.grid; ++task) {
      kernel.function(buffers.data(), kernel.scratch.get(), task);
      std::memset(&bx[0], 0xff, rows * k * 4);
    }
    EXPECT_EQ(std::memcmp(&once[0], &each[0], rows * n * 4), 0);
  }
}

} // namespace
} // namespace hb::test
