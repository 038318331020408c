#include "runtime/device/cuda/sim/Numbers.h"

#include <limits>

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {

double roundTo(double value, int mantissa, int leastExponent, double largest, Rounding mode) {
  if (!std::isfinite(value) || value == 0)
    return value;
  int exponent = std::ilogb(value);
  double quantum = std::ldexp(1.0, std::max(exponent, leastExponent) - mantissa);
  double steps = value / quantum, rounded = 0;
  switch (mode) {
  case Rounding::Nearest: rounded = std::nearbyint(steps); break;
  case Rounding::Zero: rounded = std::trunc(steps); break;
  case Rounding::Down: rounded = std::floor(steps); break;
  case Rounding::Up: rounded = std::ceil(steps); break;
  default: rounded = std::round(steps); break;
  }
  rounded *= quantum;
  if (std::fabs(rounded) > largest) {
    bool toInfinity = mode == Rounding::Nearest || mode == Rounding::NearestAway || (mode == Rounding::Up && value > 0) || (mode == Rounding::Down && value < 0);
    rounded = std::copysign(toInfinity ? std::numeric_limits<double>::infinity() : largest, value);
  }
  return std::copysign(rounded, value);
}

uint16_t halfBits(double exact) { return std::bit_cast<uint16_t>(static_cast<_Float16>(static_cast<float>(exact))); }
uint32_t singleBits(double exact) { return std::bit_cast<uint32_t>(static_cast<float>(exact)); }

} // namespace hb::ptx
HB_HOST_VECTOR_END
