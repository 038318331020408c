// What is drawn at random for a sample of training beside its initial noise: functions of `train.seed` and of the sample's position in the run, so that
// a resumed run, another number of threads and another rank draw the same.
#pragma once

#include <cstdint>

namespace hb {

enum class Draw : uint64_t { Dropout = 1, GradSteps = 2, LowVarianceNoise = 3 };

/// 64 bits for one purpose and position: F(F(F(seed) + position) + purpose), F the step and finaliser of SplitMix64 (Steele, Lea, Flood 2014).
uint64_t drawBits(uint64_t seed, int64_t position, Draw purpose);
/// A seed of dropout masks: 53 bits, which float64 (the reference evaluator) holds exactly.
int64_t drawSeed(uint64_t seed, int64_t position, Draw purpose);
/// A number from `low` to `high`, both included, by the upper half of the bits (multiply and shift; the ranges are a thousand at most).
int64_t drawBetween(uint64_t seed, int64_t position, Draw purpose, int64_t low, int64_t high);

} // namespace hb
