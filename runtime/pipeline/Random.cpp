// Compiled with -ffp-contract=off: where torch's build fuses a multiplication and an addition there is an explicit fma, nowhere else.
#include "runtime/pipeline/Random.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

namespace hb {

void CpuGenerator::manualSeed(uint64_t seed) {
  engine_.seed(uint32_t(seed));
  waiting_.reset();
}

uint64_t CpuGenerator::next64() {
  uint64_t high = next32();
  return high << 32 | next32();
}

//===-- log, sine and cosine of torch's AVX2 kernel ------------------------------------------------------------------------------------===//
//
// Public sources: S. Moshier's Cephes library (logf, sinf, cosf: the polynomials and their coefficients, the three-part reduction by π/4);
// J. Pommier and G. Garberoglio's vector versions of it fix the order of operations. The compilers that torch is built with fuse
// a·b + c where the product has no other use; these are the places.

namespace {

constexpr int kGroup = 16; // the kernel transforms groups of 16: eight pairs

/// Eight pairs of uniforms (d[j], d[j+8]) become eight pairs of normals. fma is exact on every machine; with the hardware instruction
/// this is one pass of vector code, without it the C library computes the same bits more slowly.
[[gnu::always_inline]] inline void vectorGroup(float *d) {
  for (int j = 0; j < kGroup / 2; ++j) {
    // log(1 − d[j]); the argument is in (0, 1], so zero, negative and denormal arguments need no care.
    uint32_t bits = std::bit_cast<uint32_t>(1.0f - d[j]);
    float x = std::bit_cast<float>((bits & 0x807FFFFFu) | 0x3F000000u); // mantissa in [0.5, 1)
    float e = float(int32_t(bits >> 23) - 127) + 1.0f;
    bool small = x < 0.707106781186547524f;
    float extra = small ? x : 0.0f;
    x = x - 1.0f;
    e = e - (small ? 1.0f : 0.0f);
    x = x + extra;
    float z = x * x;
    float y = 7.0376836292e-2f;
    y = __builtin_fmaf(y, x, -1.1514610310e-1f);
    y = __builtin_fmaf(y, x, 1.1676998740e-1f);
    y = __builtin_fmaf(y, x, -1.2420140846e-1f);
    y = __builtin_fmaf(y, x, 1.4249322787e-1f);
    y = __builtin_fmaf(y, x, -1.6668057665e-1f);
    y = __builtin_fmaf(y, x, 2.0000714765e-1f);
    y = __builtin_fmaf(y, x, -2.4999993993e-1f);
    y = __builtin_fmaf(y, x, 3.3333331174e-1f);
    y = y * x;
    y = __builtin_fmaf(y, z, e * -2.12194440e-4f);
    y = __builtin_fmaf(-z, 0.5f, y);
    x = x + y;
    float logarithm = __builtin_fmaf(e, 0.693359375f, x);

    float radius = __builtin_sqrtf(-2.0f * logarithm);
    float theta = float(2.0 * std::numbers::pi) * d[j + 8]; // in [0, 2π)

    // Sine and cosine: reduce to [−π/4, π/4], count the octants.
    int32_t octant = (int32_t(theta * 1.27323954473516f) + 1) & ~1;
    float n = float(octant);
    float t = __builtin_fmaf(n, -0.78515625f, theta);
    t = __builtin_fmaf(n, -2.4187564849853515625e-4f, t);
    t = __builtin_fmaf(n, -3.77489497744594108e-8f, t);
    uint32_t sineSign = uint32_t(octant & 4) << 29;
    uint32_t cosineSign = uint32_t(~(octant - 2) & 4) << 29;
    float w = t * t;
    float c = 2.443315711809948e-5f;
    c = __builtin_fmaf(c, w, -1.388731625493765e-3f);
    c = __builtin_fmaf(c, w, 4.166664568298827e-2f);
    c = c * w;
    c = __builtin_fmaf(c, w, -(w * 0.5f));
    c = c + 1.0f;
    float s = -1.9515295891e-4f;
    s = __builtin_fmaf(s, w, 8.3321608736e-3f);
    s = __builtin_fmaf(s, w, -1.6666654611e-1f);
    s = s * w;
    s = __builtin_fmaf(s, t, t);
    bool straight = (octant & 2) == 0; // else sine and cosine change places
    float sine = std::bit_cast<float>(std::bit_cast<uint32_t>(straight ? s : c) ^ sineSign);
    float cosine = std::bit_cast<float>(std::bit_cast<uint32_t>(straight ? c : s) ^ cosineSign);
    // The kernel ends with value·std + mean, 1 and 0 here; adding zero turns −0 into +0.
    d[j] = radius * cosine + 0.0f;
    d[j + 8] = radius * sine + 0.0f;
  }
}

void vectorGroupsPortable(float *d, int64_t groups) {
  for (int64_t g = 0; g < groups; ++g)
    vectorGroup(d + g * kGroup);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void vectorGroupsFma(float *d, int64_t groups) {
  for (int64_t g = 0; g < groups; ++g)
    vectorGroup(d + g * kGroup);
}
#endif

void vectorGroups(float *d, int64_t groups) {
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (fast)
    return vectorGroupsFma(d, groups);
#endif
  vectorGroupsPortable(d, groups);
}

/// The same transform with the C library, in the precision of Real; the angle is rounded from double.
template <typename Real> void genericGroups(Real *d, int64_t groups) {
  for (int64_t g = 0; g < groups; ++g, d += kGroup)
    for (int j = 0; j < kGroup / 2; ++j) {
      Real u1 = Real(1) - d[j];
      Real radius = std::sqrt(Real(-2) * std::log(u1));
      Real theta = Real(2.0 * std::numbers::pi * double(d[j + 8]));
      d[j] = radius * std::cos(theta) + Real(0);
      d[j + 8] = radius * std::sin(theta) + Real(0);
    }
}

} // namespace

//===-- Distributions of the CPU generator ---------------------------------------------------------------------------------------------===//

double CpuGenerator::oneNormal() {
  if (waiting_) {
    double value = *waiting_;
    waiting_.reset();
    return value;
  }
  double u1 = uniform53();
  double u2 = uniform53();
  double radius = std::sqrt(-2.0 * std::log1p(-u2));
  double theta = 2.0 * std::numbers::pi * u1;
  waiting_ = radius * std::sin(theta);
  return radius * std::cos(theta);
}

void CpuGenerator::normal(std::span<float> out, NormalKernel kernel) {
  int64_t n = int64_t(out.size());
  if (n < kGroup) {
    for (float &value : out)
      value = float(oneNormal());
    return;
  }
  auto transform = kernel == NormalKernel::Vector ? vectorGroups : kernel == NormalKernel::VectorPortable ? vectorGroupsPortable : genericGroups<float>;
  for (float &value : out)
    value = uniform24();
  transform(out.data(), n / kGroup);
  if (n % kGroup == 0)
    return;
  // The rest is not a group of its own: the last 16 slots are drawn again, over values that are already normal.
  float *tail = out.data() + n - kGroup;
  for (int j = 0; j < kGroup; ++j)
    tail[j] = uniform24();
  transform(tail, 1);
}

void CpuGenerator::normal(std::span<double> out) {
  int64_t n = int64_t(out.size());
  if (n < kGroup) {
    for (double &value : out)
      value = oneNormal();
    return;
  }
  for (double &value : out)
    value = uniform53();
  genericGroups(out.data(), n / kGroup);
  if (n % kGroup == 0)
    return;
  double *tail = out.data() + n - kGroup;
  for (int j = 0; j < kGroup; ++j)
    tail[j] = uniform53();
  genericGroups(tail, 1);
}

void CpuGenerator::uniform(std::span<float> out, float low, float high) {
  for (float &value : out)
    value = std::fma(uniform24(), high - low, low);
}

void CpuGenerator::kaimingUniform(std::span<float> out, int64_t fanIn) {
  // √3 · gain/√fanIn with gain = √(2/(1 + a²)), computed in double in this order, as the library does.
  double gain = std::sqrt(2.0 / (1.0 + std::sqrt(5.0) * std::sqrt(5.0)));
  double bound = std::sqrt(3.0) * (gain / std::sqrt(double(fanIn)));
  uniform(out, float(-bound), float(bound));
}

void CpuGenerator::integers(std::span<int64_t> out, int64_t low, int64_t high) {
  // The library's own reduction: a remainder, slightly uneven, but the bits are what counts.
  uint32_t range = uint32_t(high - low);
  for (int64_t &value : out)
    value = low + int64_t(next32() % range);
}

std::vector<int64_t> CpuGenerator::permutation(int64_t n) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t(0));
  for (int64_t i = 0; i < n - 1; ++i)
    std::swap(order[i], order[i + int64_t(next32() % uint64_t(n - i))]);
  return order;
}

//===-- The CUDA generator -------------------------------------------------------------------------------------------------------------===//

PhiloxBlock philox(uint64_t seed, uint64_t offset, uint64_t subsequence) {
  // Ten rounds of two 32×32→64 multiplications; the key is bumped by Weyl constants between rounds.
  uint32_t c0 = uint32_t(offset), c1 = uint32_t(offset >> 32), c2 = uint32_t(subsequence), c3 = uint32_t(subsequence >> 32);
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c1 = uint32_t(p1);
    c3 = uint32_t(p0);
  }
  return {{c0, c1, c2, c3}};
}

void CudaGenerator::normal(std::span<float> out) {
  int64_t n = int64_t(out.size());
  if (n == 0)
    return;
  // The launch has no more threads than elements need, in blocks of 256.
  int64_t threads = std::min(threads_, (n + 255) / 256 * 256);
  constexpr float kScale = 0x1p-32f, kAngle = float(2.0 * std::numbers::pi) * 0x1p-32f;
  auto pair = [&](uint32_t a, uint32_t b, float &sine, float &cosine) {
    float u = __builtin_fmaf(float(a), kScale, kScale / 2);
    float v = __builtin_fmaf(float(b), kAngle, kAngle / 2);
    float radius = std::sqrt(-2.0f * std::log(u));
    sine = radius * std::sin(v);
    cosine = radius * std::cos(v);
  };
  int64_t loops = (n - 1) / (4 * threads) + 1;
  for (int64_t k = 0; k < loops; ++k)
    for (int64_t thread = 0; thread < threads && thread + 4 * threads * k < n; ++thread) {
      PhiloxBlock block = philox(seed_, offset_ / 4 + uint64_t(k), uint64_t(thread));
      float normals[4]; // sine first: the order of the library's four-way generator
      pair(block.word[0], block.word[1], normals[0], normals[1]);
      pair(block.word[2], block.word[3], normals[2], normals[3]);
      for (int64_t m = 0; m < 4; ++m)
        if (int64_t at = thread + threads * (m + 4 * k); at < n)
          out[size_t(at)] = normals[m];
    }
  offset_ += 4 * uint64_t(loops);
}

} // namespace hb
