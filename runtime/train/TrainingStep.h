// One batch of Algorithm 1: what the trainer needs of whatever computes the loss and its gradient.
#pragma once

#include "runtime/formats/Adapter.h"
#include "runtime/formats/Image.h"
#include "runtime/train/Manifest.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hb {

/// Records to train on, one per row of the batch.
struct TrainBatch {
  std::vector<const TrainRecord *> records;
  int64_t firstSample = 0; ///< position of the first in the run; dropout is a function of it
  bool training = true;    ///< false: validation, without dropout
};

/// The rewards of one kind, one value per row.
struct BatchReward {
  std::string name;
  std::vector<float> values;
};

struct BatchResult {
  double loss = 0;                              ///< averaged over the batch, weights applied
  std::vector<BatchReward> rewards;             ///< without weights
  std::optional<double> kl;                     ///< distance to the model without adapters, without its weight; where the program has it
  std::vector<std::span<const float>> gradients; ///< of `loss`, in the order of trainableTensors; valid until the next run
  std::vector<Image> images;                    ///< what the rewards saw; empty when not asked for
};

/// Implemented by the compiled module, and by toys in tests.
class TrainingStep {
public:
  virtual ~TrainingStep() = default;
  /// Rows per batch.
  virtual int64_t batch() const = 0;
  /// The factors that the next runs use.
  virtual void setAdapter(const std::vector<AdapterModule> &adapter) = 0;
  virtual BatchResult run(const TrainBatch &batch, bool wantImages) = 0;
  /// After a run whose result was not finite: where the first such value came from, as a few words.
  virtual std::string locateNonFinite(const TrainBatch &batch) = 0;
};

} // namespace hb
