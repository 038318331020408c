// The number formats of PTX beyond C++'s, and its rules for NaN and subnormals.
#pragma once

#include "runtime/device/cuda/sim/HostVector.h"

#include <bit>
#include <cmath>
#include <cstdint>

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {

/// What a NaN result looks like (PTX ISA, "Floating Point Instructions": the canonical NaN).
constexpr uint32_t kNanF32 = 0x7FFFFFFF;
constexpr uint16_t kNanF16 = 0x7FFF, kNanBF16 = 0x7FFF;

struct Half { uint16_t bits; };
struct BHalf { uint16_t bits; };
struct Half2 { uint32_t bits; };
struct BHalf2 { uint32_t bits; };

inline float toFloat(Half h) { return static_cast<float>(std::bit_cast<_Float16>(h.bits)); }
inline float toFloat(BHalf h) { return std::bit_cast<float>(static_cast<uint32_t>(h.bits) << 16); }
inline float toFloat(float f) { return f; }

inline float canonical(float f) { return f == f ? f : std::bit_cast<float>(kNanF32); }
inline double canonical(double f) { return f; }

/// Round to nearest even; NaN becomes the canonical one.
inline Half halfOf(float f) { return {f == f ? std::bit_cast<uint16_t>(static_cast<_Float16>(f)) : kNanF16}; }
inline BHalf bhalfOf(float f) {
  uint32_t bits = std::bit_cast<uint32_t>(f);
  return {f == f ? static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) : kNanBF16};
}
template <class T> T fromFloat(float f);
template <> inline float fromFloat<float>(float f) { return canonical(f); }
template <> inline Half fromFloat<Half>(float f) { return halfOf(f); }
template <> inline BHalf fromFloat<BHalf>(float f) { return bhalfOf(f); }

/// .ftz: a subnormal becomes a zero of its sign.
template <bool Ftz> inline float flushed(float f) {
  if constexpr (Ftz) {
    uint32_t bits = std::bit_cast<uint32_t>(f);
    return std::bit_cast<float>((bits & 0x7F800000) ? bits : bits & 0x80000000);
  } else {
    return f;
  }
}

/// a * b + c of two short formats, rounded once: the double sum is rounded to odd, so that the rounding behind it sees a sticky bit
/// (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
inline double fusedToOdd(double a, double b, double c) {
  double product = a * b; // exact: at most 22 bits
  double sum = product + c;
  double back = sum - product, error = (product - (sum - back)) + (c - back);
  uint64_t bits = std::bit_cast<uint64_t>(sum);
  if (error == error && error != 0 && std::isfinite(sum) && !(bits & 1)) {
    bool away = (error > 0) == (sum > 0);
    bits = away ? bits + 1 : bits - 1;
  }
  return std::bit_cast<double>(bits);
}

enum class Rounding : uint8_t { Nearest, Zero, Down, Up, NearestAway, Stochastic };

/// A format of `mantissa` explicit bits with a smallest normal exponent, as one number rounds into it. `largest` is its largest finite value.
double roundTo(double value, int mantissa, int leastExponent, double largest, Rounding mode);
/// The bits of a value that the format holds exactly.
uint16_t halfBits(double exact);
uint32_t singleBits(double exact);

inline Half halfOf(double value) { // of a value rounded to odd
  return value == value ? Half{halfBits(roundTo(value, 10, -14, 65504.0, Rounding::Nearest))} : Half{kNanF16};
}
inline BHalf bhalfOf(double value) {
  return value == value ? BHalf{static_cast<uint16_t>(singleBits(roundTo(value, 7, -126, 0x1.FEp127, Rounding::Nearest)) >> 16)} : BHalf{kNanBF16};
}

} // namespace hb::ptx
HB_HOST_VECTOR_END
