#include "runtime/train/SampleDraws.h"

namespace hb {
namespace {

uint64_t mix(uint64_t z) {
  z += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

} // namespace

uint64_t drawBits(uint64_t seed, int64_t position, Draw purpose) {
  return mix(mix(mix(seed) + static_cast<uint64_t>(position)) + static_cast<uint64_t>(purpose));
}

int64_t drawSeed(uint64_t seed, int64_t position, Draw purpose) { return static_cast<int64_t>(drawBits(seed, position, purpose) >> 11); }

int64_t drawBetween(uint64_t seed, int64_t position, Draw purpose, int64_t low, int64_t high) {
  const uint64_t count = static_cast<uint64_t>(high - low) + 1;
  return low + static_cast<int64_t>(((drawBits(seed, position, purpose) >> 32) * count) >> 32);
}

} // namespace hb
