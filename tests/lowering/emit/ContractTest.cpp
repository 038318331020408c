// kernel.contract against loops in double precision, at odd sizes, for every instruction level this machine runs.
#include "tests/lowering/emit/EmitHarness.h"

#include <cmath>
#include <gtest/gtest.h>

namespace hb::test {
namespace {

constexpr double tolerance = 5e-7; // relative L2: f32 sums in chunks stay under it

std::string s(int64_t value) { return std::to_string(value); }

std::vector<float> randomVector(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  fillRandom(values.data(), count, seed);
  return values;
}

Buffer<float> toBuffer(const std::vector<float> &values) {
  Buffer<float> buffer(values.size());
  std::copy(values.begin(), values.end(), &buffer[0]);
  return buffer;
}

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

const char *geluText =
    "  %k = arith.constant 0.70710678118654752 : f32\n  %h = arith.constant 0.5 : f32\n  %u = arith.mulf %s, %k : f32\n  %e = math.erf %u : f32\n"
    "  %v = arith.mulf %s, %h : f32\n  %g = math.fma %v, %e, %v : f32\n";

struct LinearCase {
  int64_t m, k, n;
  Storage storage = Storage::F32;
  bool gated = false;
  int64_t rank = 0;
  bool gelu = false;
  bool residual = false;
  float drop = -1;         ///< probability of dropout at the adapter; negative: the kernel has none
  bool dropResult = false; ///< its term instead of what it reads
  std::vector<int64_t> blocks = {}; ///< ends of the blocks of a merged adapter; lb is then zero outside of them
};

constexpr int64_t dropSeed = 0x123456789ABCDEF, dropStep = 3, dropSite = 0xFEDCBA98;

/// The results of the runs, one for each target.
std::vector<std::vector<float>> checkLinear(const LinearCase &c) {
  SCOPED_TRACE("M " + s(c.m) + " K " + s(c.k) + " N " + s(c.n) + " " + typeName(c.storage) + (c.gated ? " gated" : "") + " rank " + s(c.rank) +
               (c.gelu ? " gelu" : ""));
  const int64_t rows = c.gated ? 2 * c.n : c.n;
  std::vector<float> x = randomVector(c.m * c.k, 1), w = randomVector(rows * c.k, 2), bias = randomVector(rows, 3), residual = randomVector(c.m * c.n, 4);
  std::vector<float> la = randomVector(c.rank * c.k, 5), lb = randomVector(rows * c.rank, 6), ls = randomVector(c.rank, 7);
  for (int64_t row = 0; row < rows && !c.blocks.empty(); ++row)
    for (int64_t r = 0; r < c.rank; ++r) {
      const int64_t block = r / (c.rank / static_cast<int64_t>(c.blocks.size()));
      if (row >= c.blocks[block] || (block > 0 && row < c.blocks[block - 1]))
        lb[row * c.rank + r] = 0;
    }
  Buffer<char> pw = packPanels(w, rows, c.k, c.storage, c.gated);
  const std::string layout = c.gated ? "gated_panel16" : "panel16";
  const std::string at = "tensor<" + s(c.m) + "x" + s(c.k) + "xf32>", yt = "tensor<" + s(c.m) + "x" + s(c.n) + "xf32>", bt = "tensor<" + s(rows) + "xf32>";
  const std::string wt = "tensor<" + s(rows) + "x" + s(c.k) + "x" + typeName(c.storage) + ", #kernel.packed<" + layout + ">>";
  std::string args = "%x: " + at + ", %w: " + wt + ", %b: " + bt, lora, extras = "%b", types = bt, maps = "affine_map<(i, j) -> (j)>",
              block = "%acc: f32, %bias: f32", body;
  if (c.rank) {
    const std::string a = "tensor<" + s(c.rank) + "x" + s(c.k) + "xf32, #kernel.packed<panel16>>",
                      b = "tensor<" + s(rows) + "x" + s(c.rank) + "xf32, #kernel.packed<" + layout + ">>", t = "tensor<" + s(c.rank) + "xf32>";
    args += ", %la: " + a + ", %lb: " + b + ", %ls: " + t;
    lora = " lora(%la : " + a + ", %lb : " + b + ", %ls : " + t + ")";
    if (c.drop >= 0) {
      args += ", %p: tensor<f32>, %seed: tensor<i64>, %step: tensor<i64>, %site: tensor<i64>";
      lora += " drop(%p, %seed, %step, %site : tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>)";
    }
  }
  if (c.gated) {
    extras += ", %b";
    types += ", " + bt;
    maps += ", affine_map<(i, j) -> (j + " + s(c.n) + ")>";
    block = "%acc: f32, %gate: f32, %bias: f32, %gb: f32";
    body = std::string("  %a = arith.addf %acc, %bias : f32\n  %s = arith.addf %gate, %gb : f32\n") + geluText + "  %y0 = arith.mulf %a, %g : f32\n";
  } else {
    body = std::string("  %s = arith.addf %acc, %bias : f32\n") + (c.gelu ? geluText : "");
  }
  std::string blocks = c.dropResult ? ", drop_result" : "";
  const size_t flags = blocks.size();
  for (int64_t end : c.blocks)
    blocks += (blocks.size() == flags ? ", lora_blocks = array<i64: " : ", ") + s(end);
  if (blocks.size() > flags)
    blocks += ">";
  std::string last = c.gated ? "%y0" : c.gelu ? "%g" : "%s";
  if (c.residual) {
    args += ", %r: " + yt;
    extras += ", %r";
    types += ", " + yt;
    maps += ", affine_map<(i, j) -> (i, j)>";
    block += ", %res: f32";
    body += "  %y1 = arith.addf " + last + ", %res : f32\n";
    last = "%y1";
  }
  const std::string text = "kernel.def @k(" + args + ") -> " + yt + " {\n %y = kernel.contract linear a(%x : " + at + ") weight(%w : " + wt + ")" + lora +
                           " extras(" + extras + " : " + types + ") {maps = [" + maps + "]" + (c.gated ? ", gated" : "") + blocks + "} -> " + yt + " {\n ^bb0(" + block +
                           "):\n" + body + "  kernel.yield " + last + " : f32\n }\n kernel.return %y : " + yt + "\n}";

  // T = (x·Aᵀ)∘scale first, as the formula says.
  std::vector<double> t(c.m * c.rank), want(c.m * c.n);
  auto kept = [&](int64_t index) { return c.drop <= 0 ? 1.0 : dropoutKeeps(c.drop, dropSeed, dropStep, dropSite, index) ? 1 / (1 - double(c.drop)) : 0.0; };
  for (int64_t i = 0; i < c.m; ++i)
    for (int64_t r = 0; r < c.rank; ++r) {
      for (int64_t k = 0; k < c.k; ++k)
        t[i * c.rank + r] += double(x[i * c.k + k]) * la[r * c.k + k] * (c.dropResult ? 1 : kept(i * c.k + k));
      t[i * c.rank + r] *= ls[r];
    }
  auto dot = [&](int64_t i, int64_t row) {
    double sum = bias[row];
    for (int64_t k = 0; k < c.k; ++k)
      sum += double(x[i * c.k + k]) * w[row * c.k + k];
    double term = 0;
    for (int64_t r = 0; r < c.rank; ++r)
      term += t[i * c.rank + r] * lb[row * c.rank + r];
    return sum + term * (c.dropResult ? kept(i * c.n + row) : 1);
  };
  for (int64_t i = 0; i < c.m; ++i)
    for (int64_t j = 0; j < c.n; ++j) {
      double y = dot(i, j);
      if (c.gated)
        y *= gelu(dot(i, j + c.n));
      else if (c.gelu)
        y = gelu(y);
      want[i * c.n + j] = y + (c.residual ? residual[i * c.n + j] : 0);
    }

  Buffer<float> bx = toBuffer(x), bb = toBuffer(bias);
  Buffer<char> pa = packPanels(la, c.rank, c.k, Storage::F32), pb = packPanels(lb, rows, c.rank, Storage::F32, c.gated);
  Buffer<float> scale((c.rank + 15) / 16 * 16);
  std::copy(ls.begin(), ls.end(), scale.data.get());
  std::vector<std::vector<float>> results;
  Buffer<float> probability(1);
  probability[0] = c.drop;
  Buffer<int64_t> numbers[3] = {Buffer<int64_t>(1), Buffer<int64_t>(1), Buffer<int64_t>(1)};
  numbers[0][0] = dropSeed, numbers[1][0] = dropStep, numbers[2][0] = dropSite;
  for (const TestTarget &target : allTargets()) {
    SCOPED_TRACE(target.cpu);
    Kernel kernel = compileKernel(text, target);
    EXPECT_NE(kernel.function, nullptr) << kernel.error << text;
    if (!kernel.function)
      return {};
    // A residual is the result's own buffer, as the planner may arrange. The guard behind it must stay untouched.
    Buffer<float> y(c.m * c.n + 16);
    for (int64_t i = 0; i < c.m * c.n + 16; ++i)
      y[i] = i < c.m * c.n && c.residual ? residual[i] : 77.0f;
    std::vector<void *> buffers = {&bx[0], &pw[0], &bb[0]};
    if (c.rank)
      buffers.insert(buffers.end(), {&pa[0], &pb[0], &scale[0]});
    if (c.drop >= 0)
      buffers.insert(buffers.end(), {&probability[0], &numbers[0][0], &numbers[1][0], &numbers[2][0]});
    if (c.residual)
      buffers.push_back(&y[0]);
    buffers.push_back(&y[0]);
    kernel.run(buffers);
    EXPECT_LE(relativeError(&y[0], want.data(), want.size()), tolerance);
    for (int64_t i = c.m * c.n; i < c.m * c.n + 16; ++i)
      EXPECT_EQ(y[i], 77.0f) << "wrote behind the result";
    results.emplace_back(&y[0], &y[0] + c.m * c.n);
  }
  return results;
}

TEST(Contract, LinearOddSizes) {
  for (LinearCase c : {LinearCase{1, 1, 1},
                       {1, 37, 5},
                       {1, 640, 200},
                       {2, 130, 49},
                       {3, 77, 33},
                       {4, 320, 100},
                       {5, 3, 16},
                       {7, 129, 48},
                       {13, 161, 47},
                       {97, 64, 65},
                       {200, 385, 96},
                       {8, 2048, 16}})
    checkLinear(c);
}

TEST(Contract, LinearHalfWeights) {
  for (Storage storage : {Storage::F16, Storage::BF16})
    for (LinearCase c : {LinearCase{1, 133, 70}, {19, 320, 50}, {100, 129, 112}}) {
      c.storage = storage;
      checkLinear(c);
    }
}

TEST(Contract, LinearEpilogues) {
  checkLinear({.m = 19, .k = 70, .n = 53, .gelu = true});
  checkLinear({.m = 100, .k = 300, .n = 53, .gelu = true, .residual = true});
  checkLinear({.m = 3, .k = 300, .n = 17, .residual = true});
}

TEST(Contract, Gated) {
  for (int64_t m : {1, 2, 3, 4, 6, 25, 97})
    for (int64_t n : {16, 21, 80})
      checkLinear({.m = m, .k = 133, .n = n, .gated = true});
  checkLinear({.m = 21, .k = 256, .n = 40, .storage = Storage::F16, .gated = true});
}

TEST(Contract, Lora) {
  for (int64_t rank : {1, 4, 16, 21, 64}) {
    checkLinear({.m = 1, .k = 130, .n = 40, .rank = rank});
    checkLinear({.m = 101, .k = 300, .n = 53, .rank = rank});
    checkLinear({.m = 101, .k = 100, .n = 40, .gated = true, .rank = rank});
  }
}

/// Dropout at the adapter's input and, in gradients, at its term; with probability 0 every bit is that of a kernel without.
TEST(Contract, LoraDropout) {
  for (LinearCase c : {LinearCase{3, 77, 33}, LinearCase{101, 300, 53}, LinearCase{29, 13001, 48, Storage::F16}}) {
    c.rank = 21;
    for (bool result : {false, true}) {
      c.drop = -1;
      c.dropResult = false;
      std::vector<std::vector<float>> plain = checkLinear(c);
      c.dropResult = result;
      for (float drop : {0.0f, 0.4f}) {
        c.drop = drop;
        std::vector<std::vector<float>> found = checkLinear(c);
        EXPECT_EQ(found == plain, drop == 0);
      }
    }
  }
  checkLinear({.m = 101, .k = 100, .n = 40, .gated = true, .rank = 4, .drop = 0.5f});
}

TEST(Contract, DropoutAlone) {
  for (int64_t count : {1, 15, 16, 4097, 9001}) {
    const std::string type = "tensor<" + s(count) + "xf32>";
    const std::string text = "kernel.def @k(%x: " + type + ", %p: tensor<f32>, %seed: tensor<i64>, %step: tensor<i64>, %site: tensor<i64>) -> " + type +
                             " {\n %y = kernel.dropout %x drop(%p, %seed, %step, %site : tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) : " + type + " -> " + type +
                             "\n kernel.return %y : " + type + "\n}";
    std::vector<float> x = randomVector(count, 8);
    Buffer<float> bx = toBuffer(x), p(1), y(count + 16);
    Buffer<int64_t> numbers[3] = {Buffer<int64_t>(1), Buffer<int64_t>(1), Buffer<int64_t>(1)};
    p[0] = 0.25f, numbers[0][0] = dropSeed, numbers[1][0] = dropStep, numbers[2][0] = dropSite;
    for (const TestTarget &target : allTargets()) {
      Kernel kernel = compileKernel(text, target);
      ASSERT_NE(kernel.function, nullptr) << kernel.error << text;
      kernel.run({&bx[0], &p[0], &numbers[0][0], &numbers[1][0], &numbers[2][0], &y[0]});
      for (int64_t i = 0; i < count; ++i)
        ASSERT_EQ(y[i], dropoutKeeps(0.25, dropSeed, dropStep, dropSite, i) ? x[i] * (1 / 0.75f) : 0) << i;
      EXPECT_EQ(y[count], 0) << "wrote behind the result";
    }
  }
}

/// Merged linears: tiles inside a block, over the border of two, over several small ones, behind the last.
TEST(Contract, LoraBlocks) {
  for (int64_t each : {1, 4, 21})
    for (int64_t m : {1, 3, 101}) {
      checkLinear({.m = m, .k = 130, .n = 96, .rank = 2 * each, .blocks = {48, 96}});
      checkLinear({.m = m, .k = 130, .n = 200, .rank = 3 * each, .blocks = {50, 100, 150}});
      checkLinear({.m = m, .k = 130, .n = 53, .rank = 4 * each, .blocks = {3, 5, 20, 21}});
      checkLinear({.m = m, .k = 130, .n = 120, .rank = each, .blocks = {40}});
    }
  checkLinear({.m = 33, .k = 13100, .n = 100, .storage = Storage::F16, .rank = 16, .blocks = {33, 66}});
}

/// Panels too large for L2: K in blocks, whose totals meet in scratch. Rests of every kind: rows, columns, last chunk, last block.
TEST(Contract, LongSums) {
  checkLinear({.m = 101, .k = 5120, .n = 53, .gelu = true, .residual = true});
  checkLinear({.m = 29, .k = 13001, .n = 48, .storage = Storage::F16});
  checkLinear({.m = 40, .k = 14001, .n = 97, .storage = Storage::BF16, .residual = true});
  checkLinear({.m = 31, .k = 6500, .n = 40, .storage = Storage::F16, .gated = true});
  checkLinear({.m = 33, .k = 13100, .n = 70, .storage = Storage::F16, .rank = 21});
}

/// a and the result strided, extras on broken-up rows: per batch and column, per row, transposed, a scalar, divided indices.
TEST(Contract, StridesAndMaps) {
  const int64_t b = 3, t = 7, k = 45, n = 37;
  const std::string at = "tensor<3x7x45xf32, #kernel.strided<5, [900, 60, 1]>>", yt = "tensor<3x7x37xf32, #kernel.strided<2, [500, 50, 1]>>";
  const std::string wt = "tensor<37x45xf32, #kernel.packed<panel16>>";
  const std::string text = "kernel.def @k(%x: " + at + ", %w: " + wt +
                           ", %p: tensor<3x37xf32>, %q: tensor<7xf32>, %r: tensor<37x7xf32>, %z: tensor<f32>, %o: tensor<12x2xf32>) -> " + yt +
                           " {\n %y = kernel.contract linear a(%x : " + at + ") weight(%w : " + wt +
                           ") extras(%p, %q, %r, %z, %o : tensor<3x37xf32>, tensor<7xf32>, tensor<37x7xf32>, tensor<f32>, tensor<12x2xf32>) {maps = "
                           "[affine_map<(b, t, n) -> (b, n)>, affine_map<(b, t, n) -> (t)>, "
                           "affine_map<(b, t, n) -> (n, t)>, affine_map<(b, t, n) -> ()>, affine_map<(b, t, n) -> ((n + t) floordiv 4, n mod 2)>]} -> " +
                           yt +
                           " {\n ^bb0(%acc: f32, %p0: f32, %q0: f32, %r0: f32, %z0: f32, %o0: f32):\n  %1 = arith.addf %acc, %p0 : f32\n  %2 = arith.mulf %1, "
                           "%q0 : f32\n  %3 = arith.addf %2, %r0 : f32\n" +
                           "  %4 = arith.mulf %3, %z0 : f32\n  %5 = arith.addf %4, %o0 : f32\n  kernel.yield %5 : f32\n }\n kernel.return %y : " + yt + "\n}";
  std::vector<float> x = randomVector(3000, 1), w = randomVector(n * k, 2), p = randomVector(b * n, 3), q = randomVector(t, 4), r = randomVector(n * t, 5),
                     z = {1.5f}, o = randomVector(24, 6);
  Buffer<char> pw = packPanels(w, n, k, Storage::F32);
  std::vector<double> want;
  for (int64_t ib = 0; ib < b; ++ib)
    for (int64_t it = 0; it < t; ++it)
      for (int64_t in = 0; in < n; ++in) {
        double sum = p[ib * n + in];
        for (int64_t ik = 0; ik < k; ++ik)
          sum += double(x[5 + ib * 900 + it * 60 + ik]) * w[in * k + ik];
        want.push_back((sum * q[it] + r[in * t + it]) * z[0] + o[(in + it) / 4 * 2 + in % 2]);
      }
  Buffer<float> bx = toBuffer(x), bp = toBuffer(p), bq = toBuffer(q), br = toBuffer(r), bz = toBuffer(z), bo = toBuffer(o);
  for (const TestTarget &target : allTargets()) {
    SCOPED_TRACE(target.cpu);
    Kernel kernel = compileKernel(text, target);
    ASSERT_NE(kernel.function, nullptr) << kernel.error;
    Buffer<float> y(1600);
    kernel.run({&bx[0], &pw[0], &bp[0], &bq[0], &br[0], &bz[0], &bo[0], &y[0]});
    std::vector<float> got;
    for (int64_t ib = 0; ib < b; ++ib)
      for (int64_t it = 0; it < t; ++it)
        for (int64_t in = 0; in < n; ++in)
          got.push_back(y[2 + ib * 500 + it * 50 + in]);
    EXPECT_LE(relativeError(got.data(), want.data(), want.size()), tolerance);
    EXPECT_EQ(y[2 + 37], 0.0f) << "wrote between the rows";
  }
}

/// Two of five rows of three pictures: the dimension of extent 1 between hides that the rows do not follow each other.
TEST(Contract, RowsWithGapsBehindAUnitDimension) {
  const std::string at = "tensor<3x1x2x20xf32, #kernel.strided<0, [100, 100, 20, 1]>>", yt = "tensor<3x1x2x16xf32>",
                    wt = "tensor<16x20xf32, #kernel.packed<panel16>>";
  const std::string text = "kernel.def @k(%x: " + at + ", %w: " + wt + ") -> " + yt + " {\n %y = kernel.contract linear a(%x : " + at + ") weight(%w : " + wt +
                           ") {maps = []} -> " + yt + " {\n ^bb0(%acc: f32):\n  kernel.yield %acc : f32\n }\n kernel.return %y : " + yt + "\n}";
  std::vector<float> x = randomVector(300, 1), w = randomVector(320, 2);
  Buffer<char> pw = packPanels(w, 16, 20, Storage::F32);
  Buffer<float> bx = toBuffer(x);
  std::vector<double> want(96);
  for (int64_t row = 0; row < 6; ++row)
    for (int64_t j = 0; j < 16; ++j)
      for (int64_t k = 0; k < 20; ++k)
        want[row * 16 + j] += double(x[row / 2 * 100 + row % 2 * 20 + k]) * w[j * 20 + k];
  for (const TestTarget &target : allTargets()) {
    Kernel kernel = compileKernel(text, target);
    ASSERT_NE(kernel.function, nullptr) << kernel.error;
    Buffer<float> y(96);
    kernel.run({&bx[0], &pw[0], &y[0]});
    EXPECT_LE(relativeError(&y[0], want.data(), want.size()), tolerance) << target.cpu;
  }
}

struct ConvCase {
  int64_t b, h, w, c, o, kh, kw, sy, sx; ///< h, w: padded input
  Storage storage = Storage::F32;
};

void checkConv(const ConvCase &c) {
  SCOPED_TRACE("conv " + s(c.b) + "x" + s(c.h) + "x" + s(c.w) + "x" + s(c.c) + " -> " + s(c.o) + " kernel " + s(c.kh) + "x" + s(c.kw) + " stride " + s(c.sy) +
               "x" + s(c.sx));
  const int64_t ho = (c.h - c.kh) / c.sy + 1, wo = (c.w - c.kw) / c.sx + 1, terms = c.kh * c.kw * c.c;
  std::vector<float> x = randomVector(c.b * c.h * c.w * c.c, 1), w = randomVector(c.o * terms, 2), bias = randomVector(c.o, 3), e = randomVector(c.b * c.o, 4);
  Buffer<char> pw = packPanels(w, c.o, terms, c.storage); // the test's weight is already [O, kh, kw, I]
  const std::string at = "tensor<" + s(c.b) + "x" + s(c.h) + "x" + s(c.w) + "x" + s(c.c) + "xf32>",
                    yt = "tensor<" + s(c.b) + "x" + s(ho) + "x" + s(wo) + "x" + s(c.o) + "xf32>";
  const std::string wt = "tensor<" + s(c.o) + "x" + s(c.c) + "x" + s(c.kh) + "x" + s(c.kw) + "x" + typeName(c.storage) + ", #kernel.packed<panel16>>",
                    bt = "tensor<" + s(c.o) + "xf32>", et = "tensor<" + s(c.b) + "x" + s(c.o) + "xf32>";
  const std::string text = "kernel.def @k(%x: " + at + ", %w: " + wt + ", %b: " + bt + ", %e: " + et + ") -> " + yt +
                           " {\n %y = kernel.contract conv2d a(%x : " + at + ") weight(%w : " + wt + ") extras(%b, %e : " + bt + ", " + et +
                           ") {maps = [affine_map<(b, i, j, n) -> (n)>, affine_map<(b, i, j, n) -> (b, n)>], strides = array<i64: " + s(c.sy) + ", " + s(c.sx) +
                           ">} -> " + yt +
                           " {\n ^bb0(%acc: f32, %b0: f32, %e0: f32):\n  %1 = arith.addf %acc, %b0 : f32\n  %2 = arith.addf %1, %e0 : f32\n  kernel.yield %2 : "
                           "f32\n }\n kernel.return %y : " +
                           yt + "\n}";
  std::vector<double> want;
  for (int64_t b = 0; b < c.b; ++b)
    for (int64_t i = 0; i < ho; ++i)
      for (int64_t j = 0; j < wo; ++j)
        for (int64_t o = 0; o < c.o; ++o) {
          double sum = double(bias[o]) + e[b * c.o + o];
          for (int64_t y = 0; y < c.kh; ++y)
            for (int64_t xk = 0; xk < c.kw * c.c; ++xk)
              sum += double(x[((b * c.h + i * c.sy + y) * c.w + j * c.sx) * c.c + xk]) * w[o * terms + y * c.kw * c.c + xk];
          want.push_back(sum);
        }
  Buffer<float> bx = toBuffer(x), bb = toBuffer(bias), be = toBuffer(e);
  for (const TestTarget &target : allTargets()) {
    SCOPED_TRACE(target.cpu);
    Kernel kernel = compileKernel(text, target);
    ASSERT_NE(kernel.function, nullptr) << kernel.error;
    Buffer<float> y(want.size());
    kernel.run({&bx[0], &pw[0], &bb[0], &be[0], &y[0]});
    EXPECT_LE(relativeError(&y[0], want.data(), want.size()), tolerance);
  }
}

TEST(Contract, Conv2d) {
  checkConv({1, 10, 10, 4, 20, 3, 3, 1, 1});
  checkConv({2, 11, 9, 5, 33, 3, 3, 1, 1});
  checkConv({1, 13, 13, 48, 16, 3, 3, 2, 2});
  checkConv({2, 8, 8, 36, 50, 1, 1, 1, 1});
  checkConv({1, 28, 28, 3, 40, 14, 14, 14, 14});
  checkConv({1, 23, 23, 3, 17, 7, 7, 2, 1});
  checkConv({1, 26, 26, 64, 48, 3, 3, 1, 1, Storage::F16});
  checkConv({1, 3, 4, 6, 5, 2, 2, 1, 1});
  checkConv({2, 12, 20, 4, 40, 3, 3, 1, 1, Storage::F16});
  checkConv({1, 12, 20, 16, 40, 3, 3, 1, 1});
}

/// Blocks of K that begin and end inside a segment (a kernel row), and segments of unequal chunks.
TEST(Contract, LongConv2d) {
  checkConv({1, 7, 9, 1490, 35, 3, 3, 1, 1, Storage::F16});
  checkConv({1, 7, 9, 1501, 48, 3, 3, 1, 1});
  checkConv({1, 13, 14, 1400, 20, 3, 3, 2, 2, Storage::BF16});
}

TEST(Contract, Planes) {
  for (auto [p, t, k, n] : std::vector<std::array<int64_t, 4>>{{16, 9, 20, 17}, {24, 300, 70, 48}, {16, 2, 33, 100}}) {
    SCOPED_TRACE("planes " + s(p) + " tiles " + s(t) + " K " + s(k) + " N " + s(n));
    std::vector<float> x = randomVector(p * t * k, 1);
    const int64_t panels = (n + 15) / 16;
    Buffer<char> pw(p * panels * 16 * k * 4);
    std::vector<double> want(p * t * n);
    for (int64_t plane = 0; plane < p; ++plane) {
      std::vector<float> w = randomVector(n * k, 100 + plane);
      Buffer<char> one = packPanels(w, n, k, Storage::F32);
      std::copy(&one[0], &one[0] + one.count, &pw[plane * panels * 16 * k * 4]);
      for (int64_t i = 0; i < t; ++i)
        for (int64_t j = 0; j < n; ++j)
          for (int64_t q = 0; q < k; ++q)
            want[(plane * t + i) * n + j] += double(x[(plane * t + i) * k + q]) * w[j * k + q];
    }
    const std::string at = "tensor<" + s(p) + "x" + s(t) + "x" + s(k) + "xf32>", yt = "tensor<" + s(p) + "x" + s(t) + "x" + s(n) + "xf32>";
    const std::string wt = "tensor<" + s(n) + "x" + s(k) + "x3x3xf32, #kernel.packed<" + (p == 16 ? "winograd_f2" : "winograd_f4x2") + ">>";
    const std::string text = "kernel.def @k(%x: " + at + ", %w: " + wt + ") -> " + yt + " {\n %y = kernel.contract planes a(%x : " + at +
                             ") weight(%w : " + wt + ") {maps = []} -> " + yt +
                             " {\n ^bb0(%acc: f32):\n  kernel.yield %acc : f32\n }\n kernel.return %y : " + yt + "\n}";
    Buffer<float> bx = toBuffer(x);
    for (const TestTarget &target : runnableTargets()) {
      SCOPED_TRACE(target.cpu);
      Kernel kernel = compileKernel(text, target);
      ASSERT_NE(kernel.function, nullptr) << kernel.error;
      Buffer<float> y(want.size());
      kernel.run({&bx[0], &pw[0], &y[0]});
      EXPECT_LE(relativeError(&y[0], want.data(), want.size()), tolerance);
    }
  }
}

/// Both instruction levels must cut a launch alike: the runtime picks the code, the plan was made before.
TEST(Contract, GridDoesNotDependOnTheVariant) {
  for (int64_t m : {1, 3, 77, 1024})
    for (int64_t n : {16, 320, 5120}) {
      const std::string at = "tensor<" + s(m) + "x64xf32>", yt = "tensor<" + s(m) + "x" + s(n) + "xf32>",
                        wt = "tensor<" + s(n) + "x64xf32, #kernel.packed<panel16>>";
      const std::string text = "kernel.def @k(%x: " + at + ", %w: " + wt + ") -> " + yt + " {\n %y = kernel.contract linear a(%x : " + at +
                               ") weight(%w : " + wt + ") {maps = []} -> " + yt +
                               " {\n ^bb0(%acc: f32):\n  kernel.yield %acc : f32\n }\n kernel.return %y : " + yt + "\n}";
      Kernel v3 = compileKernel(text, x86::parseTarget("x86-64,cpu=haswell")), v4 = compileKernel(text, x86::parseTarget("x86-64,cpu=znver4"));
      ASSERT_TRUE(v3.grid > 0 && v4.grid > 0) << v3.error << v4.error;
      EXPECT_EQ(v3.grid, v4.grid);
    }
}

} // namespace
} // namespace hb::test
