// A training step without a module: the reward is a quadratic whose optimum depends on the record.
#pragma once

#include "runtime/train/AdapterInit.h"
#include "runtime/train/Trainer.h"
#include "tests/runtime/base/ScratchFolder.h"

#include <cmath>
#include <functional>

namespace hb::test {

class ToyStep : public TrainingStep {
public:
  explicit ToyStep(int64_t rows = 1) : rows_(rows) {}
  int64_t batch() const override { return rows_; }
  void setAdapter(const std::vector<AdapterModule> &adapter) override { adapter_ = adapter; }

  BatchResult run(const TrainBatch &batch, bool wantImages) override {
    ++runs;
    seen.push_back(batch.firstSample);
    BatchResult result;
    gradients_.clear();
    std::vector<std::span<const float>> tensors = trainableTensors(std::as_const(adapter_));
    std::vector<float> rewards;
    for (std::span<const float> tensor : tensors)
      gradients_.emplace_back(tensor.size());
    for (const TrainRecord *record : batch.records) {
      double distance = 0;
      for (size_t t = 0; t < tensors.size(); ++t)
        for (size_t i = 0; i < tensors[t].size(); ++i) {
          float target = 0.01f * static_cast<float>(record->line) + 0.3f, difference = tensors[t][i] - target;
          distance += difference * difference;
          gradients_[t][i] += 2 * difference / static_cast<float>(rows_);
        }
      rewards.push_back(static_cast<float>(-distance));
      result.loss += distance / static_cast<double>(rows_);
    }
    if (runs == poisonedRun)
      gradients_[1][0] = NAN;
    result.rewards = {{"toy", rewards}};
    result.gradients = {gradients_.begin(), gradients_.end()};
    if (withKl)
      result.kl = 2 * result.loss;
    if (wantImages)
      result.images.assign(batch.records.size(), Image{4, 3, std::vector<uint8_t>(36, 90)});
    if (afterRun)
      afterRun();
    return result;
  }
  std::string locateNonFinite(const TrainBatch &) override { return "toy.op"; }

  int64_t runs = 0, poisonedRun = -1;
  bool withKl = false;
  std::vector<int64_t> seen;
  std::function<void()> afterRun;

private:
  int64_t rows_;
  std::vector<AdapterModule> adapter_;
  std::vector<std::vector<float>> gradients_;
};

/// A run's configuration and records in a scratch folder.
struct ToyRun {
  ScratchFolder folder;
  TrainConfig config;
  Manifest training, validation;

  explicit ToyRun(const std::vector<ConfigOverride> &settings = {}) {
    std::string lines;
    for (int i = 0; i < 7; ++i)
      lines += "{\"image\": \"a.png\", \"prompt\": \"p\"}\n";
    training = Manifest::parse(lines, folder.path("train.jsonl"));
    validation = Manifest::parse(lines.substr(0, lines.size() / 7 * 3), folder.path("val.jsonl"));
    std::vector<ConfigOverride> all = {{"model.compiled", "m.hbm"}, {"data.manifest", "train.jsonl"}, {"checkpoint.output_dir", folder.path("out")}, {"train.max_train_steps", "12"},
                                       {"train.gradient_accumulation_steps", "2"}, {"optimizer.learning_rate", "0.01"}, {"checkpoint.checkpointing_steps", "3"}, {"optimizer.ema_decay", "0.9"},
                                       {"optimizer.lr_scheduler", "cosine"}, {"optimizer.max_grad_norm", "1"}};
    all.insert(all.end(), settings.begin(), settings.end());
    config = parseTrainConfig("", "train.toml", all);
  }
  Trainer trainer(TrainingStep &step, bool validate = false, Ranks &ranks = oneRank()) {
    return Trainer(config, step, training, validate ? &validation : nullptr, initialAdapter({{"unet.to_q", 6, 4}, {"unet.to_v", 6, 5}}, 2, 4, 0), {"to_q", "to_v"}, ranks);
  }
  std::string out(const std::string &name) const { return folder.path("out/" + name); }
};

} // namespace hb::test
