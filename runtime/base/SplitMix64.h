// SplitMix64's step and finaliser: 64 well mixed bits of a counter.
#pragma once

#include <cstdint>

namespace hb {

/// Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"; the constants are those of Vigna's public domain splitmix64.c.
constexpr uint64_t splitMix64(uint64_t z) {
  z += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

} // namespace hb
