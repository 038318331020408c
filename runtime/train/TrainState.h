// Everything that changes while a run goes on. A run is a function of the configuration, the module and this.
#pragma once

#include "runtime/formats/Adapter.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hb {

/// The best held-out reward so far.
struct BestReward {
  double reward = 0;
  int64_t step = 0;
};

struct TrainState {
  std::vector<AdapterModule> adapter;                        ///< in PEFT's order
  std::vector<std::vector<float>> average, averageSquares;   ///< AdamW's moments, per tensor
  std::vector<std::vector<float>> ema;                       ///< the adapters' exponential average; empty when off
  int64_t step = 0;                                          ///< optimizer steps done
  int64_t samples = 0;                                       ///< samples used: the position in the order of records. Noise and dropout are functions
                                                             ///< of it and of seeds, so there is no other random state.
  std::optional<BestReward> best;
  bool validationPending = false; ///< the last step's validation is due and not done yet

  /// A fresh state: moments zero, average equal to the adapter.
  static TrainState start(std::vector<AdapterModule> adapter, bool withEma);
  /// The adapter with the average's factors, or the adapter itself without one.
  std::vector<AdapterModule> averaged() const;
};

/// The trainable tensors in the optimizer's order: A and B of the first module, A and B of the second, …
std::vector<std::span<float>> trainableTensors(std::vector<AdapterModule> &adapter);
std::vector<std::span<const float>> trainableTensors(const std::vector<AdapterModule> &adapter);
/// "<path>.lora_A.weight", "<path>.lora_B.weight", … in the same order.
std::vector<std::string> trainableNames(const std::vector<AdapterModule> &adapter);

/// One update of the average after optimizer step `step` (from 1), as diffusers' EMAModel with its default warm-up: the decay used is
/// min(decay, step / (9 + step)), and 0 at the first step.
void updateEma(std::vector<std::vector<float>> &ema, const std::vector<AdapterModule> &adapter, int64_t step, double decay);

} // namespace hb
