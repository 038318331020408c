#include "runtime/train/GradientSum.h"

#include <algorithm>

namespace hb {

GradientSum::GradientSum(Ranks &ranks, std::vector<size_t> sizes) : ranks_(ranks) {
  size_t count = 0, ranksCount = static_cast<size_t>(ranks.size());
  for (size_t size : sizes)
    count += size;
  piece_ = (count + ranksCount - 1) / ranksCount;
  whole_.resize(piece_ * ranksCount);
  if (ranksCount > 1) {
    mine_.resize(whole_.size());
    received_.resize(whole_.size());
    sum_.resize(piece_);
  }
  size_t begin = 0;
  for (size_t size : sizes) {
    tensors_.emplace_back(whole_.data() + begin, size);
    begin += size;
  }
}

void GradientSum::clear() {
  std::vector<float> &sum = ranks_.size() > 1 ? sum_ : whole_;
  std::fill(sum.begin(), sum.end(), 0.0f);
}

void GradientSum::add(const std::vector<std::span<const float>> &gradients, float share) {
  if (ranks_.size() == 1) {
    for (size_t t = 0; t < tensors_.size(); ++t)
      for (size_t k = 0; k < tensors_[t].size(); ++k)
        tensors_[t][k] += gradients[t][k] * share;
    return;
  }
  size_t begin = 0;
  for (std::span<const float> gradient : gradients) {
    std::copy(gradient.begin(), gradient.end(), mine_.begin() + static_cast<ptrdiff_t>(begin));
    begin += gradient.size();
  }
  ranks_.exchange(mine_.data(), received_.data(), piece_);
  for (size_t r = 0; r < static_cast<size_t>(ranks_.size()); ++r)
    for (size_t k = 0; k < piece_; ++k)
      sum_[k] += received_[r * piece_ + k] * share;
}

const std::vector<std::span<float>> &GradientSum::total() {
  if (ranks_.size() > 1)
    ranks_.gather(sum_.data(), whole_.data(), piece_ * sizeof(float));
  return tensors_;
}

} // namespace hb
