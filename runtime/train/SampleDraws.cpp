#include "runtime/train/SampleDraws.h"

#include "runtime/base/SplitMix64.h"

namespace hb {

uint64_t drawBits(uint64_t seed, int64_t position, Draw purpose) {
  return splitMix64(splitMix64(splitMix64(seed) + static_cast<uint64_t>(position)) + static_cast<uint64_t>(purpose));
}

int64_t drawSeed(uint64_t seed, int64_t position, Draw purpose) { return static_cast<int64_t>(drawBits(seed, position, purpose) >> 11); }

int64_t drawBetween(uint64_t seed, int64_t position, Draw purpose, int64_t low, int64_t high) {
  const uint64_t count = static_cast<uint64_t>(high - low) + 1;
  return low + static_cast<int64_t>(((drawBits(seed, position, purpose) >> 32) * count) >> 32);
}

} // namespace hb
