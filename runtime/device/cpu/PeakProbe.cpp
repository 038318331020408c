#include "runtime/device/cpu/PeakProbe.h"

#include <algorithm>
#include <chrono>
#include <immintrin.h>

namespace hb {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Twelve independent chains: an FMA takes four or five cycles and two can start in each, so ten or more must be in flight.
// The empty assembly keeps every chain in its register; without it the compiler sees through the loop.
#define HB_CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define HB_KEEP(I) asm volatile("" : "+v"(chain##I));

__attribute__((target("avx2,fma"))) double slice256(long iterations) {
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-6f);
#define HB_DEFINE(I) __m256 chain##I = _mm256_set1_ps(1.0f + I);
#define HB_FMA(I) chain##I = _mm256_fmadd_ps(chain##I, a, b);
  HB_CHAINS(HB_DEFINE)
  double start = now();
  for (long k = 0; k < iterations; ++k) {
    HB_CHAINS(HB_FMA) HB_CHAINS(HB_KEEP)
  }
  return iterations * 12.0 * 8 * 2 / (now() - start) * 1e-9;
#undef HB_DEFINE
#undef HB_FMA
}

__attribute__((target("avx512f"))) double slice512(long iterations) {
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-6f);
#define HB_DEFINE(I) __m512 chain##I = _mm512_set1_ps(1.0f + I);
#define HB_FMA(I) chain##I = _mm512_fmadd_ps(chain##I, a, b);
  HB_CHAINS(HB_DEFINE)
  double start = now();
  for (long k = 0; k < iterations; ++k) {
    HB_CHAINS(HB_FMA) HB_CHAINS(HB_KEEP)
  }
  return iterations * 12.0 * 16 * 2 / (now() - start) * 1e-9;
#undef HB_DEFINE
#undef HB_FMA
}
#undef HB_CHAINS
#undef HB_KEEP

double bestSlice(double (*slice)(long), double seconds) {
  constexpr long kIterations = 1000000; // a few milliseconds: shorter than most disturbances
  double best = 0;
  for (double end = now() + seconds; now() < end;)
    best = std::max(best, slice(kIterations));
  return best;
}

} // namespace

PeakRates probePeak(double seconds) {
  PeakRates rates;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    rates.avx2 = bestSlice(slice256, seconds);
  if (__builtin_cpu_supports("avx512f"))
    rates.avx512 = bestSlice(slice512, seconds);
  return rates;
}

} // namespace hb
