// The sum of gradients over batches and ranks, in one order: that of the samples.
#pragma once

#include "runtime/train/Ranks.h"

#include <span>
#include <vector>

namespace hb {

/// Adds up what W ranks compute in A rounds so that each sum is the left fold over the W·A batches in the order of their samples: 2 ranks × 1
/// round give the bits of 1 rank × 2 rounds. Each rank folds one piece of all numbers; pieces come together once, at the end.
class GradientSum {
public:
  GradientSum(Ranks &ranks, std::vector<size_t> sizes);

  void clear();
  /// Adds every rank's gradients of a round times `share`, rank by rank.
  void add(const std::vector<std::span<const float>> &gradients, float share);
  /// The sums, per tensor; the same on every rank. They are mutable: clipping scales them in place.
  const std::vector<std::span<float>> &total();

private:
  Ranks &ranks_;
  size_t piece_ = 0;
  std::vector<float> whole_, mine_, received_, sum_; ///< with one rank only the first
  std::vector<std::span<float>> tensors_;           ///< views of whole_
};

} // namespace hb
