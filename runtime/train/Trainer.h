// Algorithm 1's loop: batches, accumulation, optimizer, checkpoints, validation. What a batch computes is somebody else's.
#pragma once

#include "runtime/train/AdamW.h"
#include "runtime/train/GradientSum.h"
#include "runtime/train/Ranks.h"
#include "runtime/train/RunLog.h"
#include "runtime/train/TrainCheckpoint.h"
#include "runtime/train/TrainConfig.h"
#include "runtime/train/TrainingStep.h"

#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace hb {

/// How a run ended.
enum class TrainEnd { Finished, Interrupted };

/// Asked between batches and told of progress; both may be empty.
struct TrainHooks {
  std::function<bool()> stopRequested;
  std::function<void(const StepMetrics &, int64_t totalSteps)> onStep;
  std::function<void(const std::string &)> onNote; ///< complete sentences
};

class Trainer {
public:
  /// Most pictures of a sample grid.
  static constexpr size_t kGridPictures = 8;

  /// `start` is the adapter of a new run. The records, the step and the ranks outlive the trainer. With several ranks each computes its share of
  /// every step's batches, all keep the same state, and rank 0 writes.
  Trainer(const TrainConfig &config, TrainingStep &step, const Manifest &training, const Manifest *validation, std::vector<AdapterModule> start, std::vector<std::string> targetModules,
          Ranks &ranks = oneRank());

  /// Continues from a checkpoint ("latest" or a folder). HB0660 – HB0662.
  void resume(const std::string &which);
  /// Trains until max_train_steps or until asked to stop (then with a checkpoint). HB0663, HB0665, HB0667, HB0668, HB0901.
  TrainEnd run(const TrainHooks &hooks = {});

  /// Writes a checkpoint of the last whole step, whatever run() is at: for the thread that watches the other ranks. Gives that step.
  int64_t saveNow();

  const TrainState &state() const { return state_; }
  /// The first batch of the run, for checks before it starts.
  TrainBatch firstBatch() { return batchAt(state_.samples + ranks_.rank() * step_.batch()); }

private:
  TrainBatch batchAt(int64_t position);
  /// Samples of an optimizer step, of all ranks.
  int64_t samplesPerStep() const;
  void requireSameState();
  /// Adds the figures of every rank's batch in the order of samples. `counts`: which ranks computed one.
  void addFigures(const BatchResult *mine, int counts, double batches, Figures &sum);
  /// Runs the batches of one optimizer step; false when asked to stop.
  bool accumulate(StepMetrics &metrics, std::vector<Image> &images);
  void update(StepMetrics &metrics);
  void requireFinite(const TrainBatch &batch, const BatchResult &result, StepMetrics &metrics);
  void validate();
  void save(bool last);
  void saveLocked();
  void writeFinal() const;
  void note(const std::string &text) const;
  CheckpointSettings checkpointSettings() const;

  const TrainConfig &config_;
  TrainingStep &step_;
  const Manifest &training_;
  const Manifest *validation_;
  std::vector<std::string> targets_;
  RecordOrder order_;
  TrainState state_;
  Ranks &ranks_;
  GradientSum gradients_;
  std::mutex stateLock_; ///< held while state_ changes or is written: never while a batch is computed or another rank is waited for
  TrainHooks hooks_;
  std::optional<RunLog> log_;
  bool resumed_ = false;
  int64_t savedStep_ = -1;
};

/// What must agree between a checkpoint and the run that continues it.
/// With several ranks an accumulation is that of one rank which computes the same samples: the number of ranks may change.
RunIdentity runIdentity(const TrainConfig &config, const Manifest &training, const std::vector<AdapterModule> &adapter, int64_t batch, int ranks = 1);

} // namespace hb
