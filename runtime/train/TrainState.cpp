#include "runtime/train/TrainState.h"

#include <algorithm>

namespace hb {
namespace {

template <typename Modules, typename Span> std::vector<Span> tensorsOf(Modules &adapter) {
  std::vector<Span> tensors;
  for (auto &module : adapter) {
    tensors.emplace_back(module.a);
    tensors.emplace_back(module.b);
  }
  return tensors;
}

} // namespace

std::vector<std::span<float>> trainableTensors(std::vector<AdapterModule> &adapter) { return tensorsOf<std::vector<AdapterModule>, std::span<float>>(adapter); }

std::vector<std::span<const float>> trainableTensors(const std::vector<AdapterModule> &adapter) {
  return tensorsOf<const std::vector<AdapterModule>, std::span<const float>>(adapter);
}

std::vector<std::string> trainableNames(const std::vector<AdapterModule> &adapter) {
  std::vector<std::string> names;
  for (const AdapterModule &module : adapter) {
    names.push_back(module.path + ".lora_A.weight");
    names.push_back(module.path + ".lora_B.weight");
  }
  return names;
}

TrainState TrainState::start(std::vector<AdapterModule> adapter, bool withEma) {
  TrainState state;
  state.adapter = std::move(adapter);
  for (std::span<float> tensor : trainableTensors(state.adapter)) {
    state.average.emplace_back(tensor.size());
    state.averageSquares.emplace_back(tensor.size());
    if (withEma)
      state.ema.emplace_back(tensor.begin(), tensor.end());
  }
  return state;
}

std::vector<AdapterModule> TrainState::averaged() const {
  std::vector<AdapterModule> out = adapter;
  std::vector<std::span<float>> tensors = trainableTensors(out);
  for (size_t i = 0; i < ema.size(); ++i)
    std::copy(ema[i].begin(), ema[i].end(), tensors[i].begin());
  return out;
}

void updateEma(std::vector<std::vector<float>> &ema, const std::vector<AdapterModule> &adapter, int64_t step, double decay) {
  double warm = static_cast<double>(step - 1);
  double used = step <= 1 ? 0 : std::min(decay, (1 + warm) / (10 + warm));
  float share = static_cast<float>(1 - used);
  std::vector<std::span<const float>> tensors = trainableTensors(adapter);
  for (size_t t = 0; t < ema.size(); ++t)
    for (size_t i = 0; i < ema[t].size(); ++i)
      ema[t][i] -= share * (ema[t][i] - tensors[t][i]);
}

} // namespace hb
