// PTX as LLVM prints it (data/compiled.c through clang 22 at -O3 for sm_80) against the same C++.
#include "tests/runtime/device/cuda_sim/Kernel.h"
#include "runtime/base/SplitMix64.h"

#include <bit>
#include <cmath>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

using namespace hb::ptx;
using namespace hb::ptx::test;

namespace {

std::string compiled() {
  std::ifstream file(HB_PTX_FOLDER "/compiled.ptx");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Vectors whose start is aligned as a device's buffers are.
template <class T> struct Buffer {
  explicit Buffer(size_t count) : bytes(count * sizeof(T) + 256), count(count) {
    start = reinterpret_cast<T *>((reinterpret_cast<uintptr_t>(bytes.data()) + 255) / 256 * 256);
  }
  T &operator[](size_t i) { return start[i]; }
  std::vector<std::byte> bytes;
  size_t count;
  T *start;
};

struct Softmax {
  static constexpr int rows = 6, n = 300;
  Buffer<_Float16> in{rows * n}, out{rows * n};
  Buffer<int> size{1};
  LaunchReport report;

  Softmax(const std::string &text, const CheckOptions &options) {
    size[0] = n;
    for (int i = 0; i < rows * n; ++i)
      in[i] = static_cast<_Float16>(static_cast<float>(hb::splitMix64(i) % 2001) * 0.004f - 4);
    Simulator simulator;
    simulator.allow(in.start, rows * n * 2, false);
    simulator.allow(out.start, rows * n * 2);
    simulator.allow(size.start, 4, false);
    hb::ptx::test::Run run;
    run.entry = "softmax";
    run.grid = {rows};
    run.block = {128};
    run.options = options;
    report = run(simulator, text, in.start, out.start, size.start);
  }
};

TEST(CudaSimCompiled, SoftmaxOfRows) {
  Softmax first(compiled(), {});
  EXPECT_EQ(first.report.findingCount, 0u) << listed(first.report);
  for (int row = 0; row < Softmax::rows; ++row) {
    double most = -1e30, sum = 0;
    for (int i = 0; i < Softmax::n; ++i)
      most = std::max(most, static_cast<double>(first.in[row * Softmax::n + i]));
    for (int i = 0; i < Softmax::n; ++i)
      sum += std::exp(static_cast<double>(first.in[row * Softmax::n + i]) - most);
    for (int i = 0; i < Softmax::n; ++i) {
      double want = std::exp(static_cast<double>(first.in[row * Softmax::n + i]) - most) / sum;
      EXPECT_NEAR(static_cast<double>(first.out[row * Softmax::n + i]), want, want * 0x1p-11 + 0x1p-25); // half of a last place of f16
    }
  }
  // Other orders of blocks and warps and several host threads give the same bits.
  for (uint32_t seed : {1u, 2u, 3u})
    for (unsigned threads : {1u, 3u}) {
      CheckOptions options;
      options.scheduleSeed = seed;
      options.threads = threads;
      Softmax other(compiled(), options);
      EXPECT_EQ(other.report.findingCount, 0u) << listed(other.report);
      EXPECT_EQ(std::memcmp(other.out.start, first.out.start, Softmax::rows * Softmax::n * 2), 0) << "seed " << seed << ", threads " << threads;
    }
}

TEST(CudaSimCompiled, SoftmaxWithoutItsBarriers) {
  std::string text = compiled();
  for (size_t at = text.find("bar.sync"); at != text.npos; at = text.find("bar.sync", at + 1)) {
    std::string mutated = text;
    mutated.replace(at, mutated.find(';', at) - at, "");
    EXPECT_GT(Softmax(mutated, {}).report.findingCount, 0u) << "without the barrier at " << at;
  }
}

TEST(CudaSimCompiled, BitsAndAJumpTable) {
  constexpr int count = 256;
  Buffer<uint32_t> a(count), out(count);
  Buffer<int64_t> b(count);
  for (int i = 0; i < count; ++i) {
    a[i] = static_cast<uint32_t>(hb::splitMix64(i)) >> (i % 29);
    b[i] = static_cast<int64_t>(hb::splitMix64(1000 + i)) >> (i % 61);
  }
  Simulator simulator;
  simulator.allow(a.start, count * 4, false);
  simulator.allow(b.start, count * 8, false);
  simulator.allow(out.start, count * 4);
  hb::ptx::test::Run run;
  run.entry = "bits";
  run.grid = {count / 64};
  run.block = {64};
  LaunchReport report = run(simulator, compiled(), a.start, b.start, out.start);
  EXPECT_EQ(report.findingCount, 0u) << listed(report);
  for (int i = 0; i < count; ++i) {
    uint32_t x = a[i];
    int64_t y = b[i];
    uint8_t stack[16];
    for (unsigned k = 0; k < 16; ++k)
      stack[(k * 5 + x) & 15] = static_cast<uint8_t>(y >> (k & 7) * 8);
    uint32_t r = static_cast<uint32_t>(std::popcount(x)) + static_cast<uint32_t>(std::countl_zero(x | 1)) * 3 + static_cast<uint32_t>(y / static_cast<int64_t>(x | 1)) + static_cast<uint32_t>(y % 7) +
                 ((x << 5) | (x >> 27)) + __builtin_bswap32(x);
    switch (x & 7) {
    case 0: r += 11; break;
    case 1: r ^= 0x55; break;
    case 2: r *= 7; break;
    case 3: r -= static_cast<uint32_t>(y); break;
    case 4: r = ~r; break;
    case 5: r += 3 * x; break;
    case 6: r ^= x >> 3; break;
    default: r -= 1;
    }
    uint32_t want = r + stack[x >> 8 & 15] + static_cast<uint32_t>(static_cast<int16_t>(y)) + static_cast<uint32_t>(static_cast<int8_t>(x >> 16)) +
                    static_cast<uint32_t>(static_cast<unsigned __int128>(y) * x >> 40);
    EXPECT_EQ(out[i], want) << i;
  }
}

TEST(CudaSimCompiled, CallsOfAFunction) {
  constexpr int count = 512;
  Buffer<float> a(count), out(count);
  for (int i = 0; i < count; ++i)
    a[i] = static_cast<float>(i - 256) / 64;
  Simulator simulator;
  simulator.allow(a.start, count * 4, false);
  simulator.allow(out.start, count * 4);
  hb::ptx::test::Run run;
  run.entry = "gelus";
  run.grid = {count / 256};
  run.block = {64};
  run.options.counts = true;
  LaunchReport report = run(simulator, compiled(), a.start, out.start);
  EXPECT_EQ(report.findingCount, 0u) << listed(report);
  for (int i = 0; i < count; ++i) {
    double x = a[i], want = 0.5 * x * (1 + std::copysign(1 - std::exp2(-x * x), x));
    EXPECT_NEAR(out[i], want, 1e-6 * (1 + std::fabs(want)));
  }
  // Four calls in each of four warps; 16 bytes a lane in whole sectors, in and out.
  EXPECT_EQ(report.instructions["ex2.approx.ftz.f32"], 16u);
  EXPECT_EQ(report.globalSectors, 2u * count * 4 / 32);
  EXPECT_EQ(report.globalIdeal, report.globalSectors);
}

TEST(CudaSimCounts, BankConflicts) {
  // Words `stride` apart: as many passes as lanes share a bank.
  for (uint32_t stride : {1u, 2u, 3u, 32u}) {
    std::string body = ".reg .b32 %r<6>; .shared .align 4 .b8 tile[4096]; mov.u32 %r1, %tid.x; mul.lo.s32 %r2, %r1, " + std::to_string(stride * 4) +
                       "; mov.b32 %r3, tile; add.s32 %r3, %r3, %r2; st.shared.b32 [%r3], %r1;";
    Simulator simulator;
    hb::ptx::test::Run run;
    run.options.counts = true;
    LaunchReport report = run(simulator, module(body, 0));
    EXPECT_EQ(report.findingCount, 0u) << listed(report);
    EXPECT_EQ(report.sharedWavefronts, stride == 3 ? 1u : stride) << stride;
    EXPECT_EQ(report.sharedIdeal, 1u);
  }
}

} // namespace
