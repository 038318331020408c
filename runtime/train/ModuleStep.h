// One batch of Algorithm 1, computed by a module's `hummingbird_loss_and_grad`.
#pragma once

#include "runtime/exec/Session.h"
#include "runtime/pipeline/Conditioning.h"
#include "runtime/pipeline/RewardInputs.h"
#include "runtime/train/TrainConfig.h"
#include "runtime/train/TrainingStep.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace hb {

class ModuleStep : public TrainingStep {
public:
  /// HB0658 a module that cannot train, HB0659 a configuration that contradicts it, HB0640, HB0641, HB0644.
  ModuleStep(Session &session, const TrainConfig &config);

  /// The slots that are trained: those of the module that adapter.targets match by PEFT's rule (the whole path, or its end behind a dot).
  const std::vector<AdapterSite> &sites() const { return sites_; }
  /// Names for adapter_config.json: what was compiled, or what the configuration chose among it.
  std::vector<std::string> targetModules() const;
  /// The adapter a new run starts from: adapter.resume_from, else PEFT's initial factors. HB0301 – HB0316, HB0659.
  std::vector<AdapterModule> startAdapter(std::vector<std::string> &warnings) const;
  /// Complete sentences about defaults that the module does not follow.
  const std::vector<std::string> &notes() const { return notes_; }
  const Program &program() const { return program_; }
  /// The programs that make a record's inputs, run one at a time beside it.
  std::vector<const Program *> encoders() const { return conditioning_.programs(); }
  /// Of what is kept of a record between epochs, and of a picture of the batch with 8 bits a channel.
  uint64_t recordBytes() const;
  uint64_t pictureBytes() const;

  /// Most that records' inputs take; others are computed again each time.
  static constexpr size_t kCacheBytes = size_t(256) << 20;

  int64_t batch() const override { return batch_; }
  void setAdapter(const std::vector<AdapterModule> &adapter) override;
  BatchResult run(const TrainBatch &batch, bool wantImages) override;
  std::string locateNonFinite(const TrainBatch &batch) override;

private:
  /// Everything of a record that does not change between epochs.
  struct RecordInputs {
    std::vector<float> context, pooled;
    std::vector<InputRow> rewards;
    size_t bytes() const;
  };
  void requireFits();
  void setWeights();
  /// Inputs that are drawn anew for each sample: dropout, the number of steps with a gradient, noises of the last step.
  void setDraws(const TrainBatch &batch);
  const RecordInputs &inputsOf(const TrainRecord &record);
  void setInputs(const TrainBatch &batch);
  void readGradients();
  std::vector<Image> readImages() const;

  Session &session_;
  const TrainConfig &config_;
  const Program &program_;
  Conditioning conditioning_;
  RewardInputs rewards_;
  ProgramTensors tensors_;
  int64_t batch_ = 1;
  std::vector<AdapterSite> sites_;
  std::vector<std::string> notes_;
  std::map<std::string, RecordInputs> cache_; ///< by picture and text; as much as fits
  size_t cacheBytes_ = 0;
  RecordInputs uncached_;
  bool hasKl_ = false; ///< the program has the term, as an output
  std::vector<std::string> gradientNames_;
  std::vector<std::vector<float>> narrowed_; ///< B gradients of a rank below the compiled one
  std::vector<std::span<const float>> gradients_;
};

/// HB0655 naming the line when a record's picture does not exist.
void requireImages(const Manifest &manifest);

} // namespace hb
