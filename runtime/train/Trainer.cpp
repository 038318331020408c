#include "runtime/train/Trainer.h"

#include "runtime/base/Error.h"
#include "runtime/base/Memory.h"
#include "runtime/base/Text.h"
#include "runtime/formats/AdapterWriter.h"
#include "runtime/train/Crc32c.h"
#include "runtime/train/LearningRate.h"
#include "runtime/train/WholeFolder.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>

namespace hb {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double meanOf(const std::vector<float> &values) {
  double sum = 0;
  for (float value : values)
    sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

std::vector<size_t> tensorSizes(const std::vector<AdapterModule> &adapter) {
  std::vector<size_t> sizes;
  for (std::span<const float> tensor : trainableTensors(adapter))
    sizes.push_back(tensor.size());
  return sizes;
}

size_t countNonFinite(std::span<const float> values) {
  return static_cast<size_t>(std::count_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); }));
}

LearningRateSchedule scheduleOf(const TrainConfig &c) {
  return {c.optimizer.lrScheduler, c.optimizer.learningRate, c.optimizer.lrWarmupSteps, c.train.maxTrainSteps, c.optimizer.lrNumCycles, c.optimizer.lrPower};
}

bool due(int64_t step, int64_t every) { return every > 0 && step % every == 0; }

} // namespace

RunIdentity runIdentity(const TrainConfig &config, const Manifest &training, const std::vector<AdapterModule> &adapter, int64_t batch, int ranks) {
  std::string layers;
  for (const AdapterModule &m : adapter)
    layers += m.path + " " + std::to_string(m.in) + " " + std::to_string(m.out) + "\n";
  return {{"adapter.rank", std::to_string(config.adapter.rank)},
          {"adapter.alpha", std::to_string(config.adapter.alpha)},
          {"adapter layers", std::to_string(adapter.size()) + "-" + std::to_string(crc32c(layers))},
          {"data.manifest", training.fingerprint},
          {"data.shuffle", config.data.shuffle ? "true" : "false"},
          {"data.shuffle_seed", std::to_string(config.data.shuffleSeed)},
          {"train.gradient_accumulation_steps", std::to_string(config.train.gradientAccumulationSteps * ranks)},
          {"train.seed", std::to_string(config.train.seed)},
          {"batch size", std::to_string(batch)}};
}

Trainer::Trainer(const TrainConfig &config, TrainingStep &step, const Manifest &training, const Manifest *validation, std::vector<AdapterModule> start, std::vector<std::string> targetModules, Ranks &ranks)
    : config_(config), step_(step), training_(training), validation_(validation), targets_(std::move(targetModules)),
      order_(static_cast<int64_t>(training.records.size()), config.data.shuffle, static_cast<uint64_t>(config.data.shuffleSeed)),
      state_(TrainState::start(std::move(start), config.optimizer.emaDecay > 0)), ranks_(ranks), gradients_(ranks, tensorSizes(state_.adapter)) {}

int64_t Trainer::samplesPerStep() const { return config_.train.gradientAccumulationSteps * ranks_.size() * step_.batch(); }

void Trainer::resume(const std::string &which) {
  std::string folder = findCheckpoint(which, config_.checkpoint.outputDir);
  loadCheckpoint(folder, checkpointSettings().identity, state_);
  resumed_ = true;
  savedStep_ = state_.step;
}

CheckpointSettings Trainer::checkpointSettings() const {
  return {runIdentity(config_, training_, state_.adapter, step_.batch(), ranks_.size()), targets_, config_.adapter.dropout, resolvedConfig(config_)};
}

void Trainer::note(const std::string &text) const {
  if (hooks_.onNote)
    hooks_.onNote(text);
}

TrainBatch Trainer::batchAt(int64_t position) {
  TrainBatch batch;
  batch.firstSample = position;
  for (int64_t row = 0; row < step_.batch(); ++row)
    batch.records.push_back(&training_.records[static_cast<size_t>(order_.at(position + row))]);
  return batch;
}

void Trainer::requireFinite(const TrainBatch &batch, const BatchResult &result, StepMetrics &metrics) {
  std::vector<std::string> names = trainableNames(state_.adapter);
  std::string first;
  auto look = [&](const std::string &name, size_t bad) {
    metrics.nonfinite += static_cast<int64_t>(bad);
    if (bad && first.empty())
      first = name;
  };
  look("loss", !std::isfinite(result.loss));
  look("kl", result.kl && !std::isfinite(*result.kl));
  for (const BatchReward &reward : result.rewards)
    look("reward." + reward.name, countNonFinite(reward.values));
  for (size_t i = 0; i < result.gradients.size(); ++i)
    look("grad." + names[i], countNonFinite(result.gradients[i]));
  if (!metrics.nonfinite)
    return;
  metrics.loss = result.loss;
  if (log_) {
    log_->step(metrics);
    log_->report();
  }
  std::string place = step_.locateNonFinite(batch), line = std::to_string(batch.records.front()->line);
  std::string kept = savedStep_ >= 0 ? "the checkpoint of step " + std::to_string(savedStep_) + " is sound" : "there is no checkpoint yet";
  throw Error(663, "step " + std::to_string(metrics.step) + ", sample " + std::to_string(batch.firstSample) + " (" + printable(training_.path) + ":" + line + ")", "finite values",
              std::to_string(metrics.nonfinite) + " that are not, the first output in " + first + (place.empty() ? "" : ", computed by " + place), kept + "; lower the learning rate or set optimizer.max_grad_norm");
}

void Trainer::requireSameState() {
  std::string text;
  for (const auto &[name, value] : checkpointSettings().identity)
    text += name + "=" + value + "\n";
  uint32_t sum = crc32c(text);
  for (const auto &tensors : {trainableTensors(std::as_const(state_.adapter)), std::vector<std::span<const float>>(state_.average.begin(), state_.average.end())})
    for (std::span<const float> tensor : tensors)
      sum = crc32c(std::as_bytes(tensor), sum);
  std::array<int64_t, 2> mine = {sum, state_.step};
  std::vector<std::array<int64_t, 2>> all(static_cast<size_t>(ranks_.size()));
  ranks_.gather(mine.data(), all.data(), sizeof mine);
  for (size_t r = 0; r < all.size(); ++r)
    if (all[r] != all[0])
      throw Error(668, "rank " + std::to_string(r), "the configuration, manifest, module and state of rank 0 (step " + std::to_string(all[0][1]) + ")", "others (step " + std::to_string(all[r][1]) + ")",
                  "give all ranks the same files and the same --resume");
}

void Trainer::addFigures(const BatchResult *mine, int counts, double batches, Figures &sum) {
  // Names are the module's, so that every rank knows them once it has computed a batch; a rank without one in this round has computed earlier ones.
  if (mine && sum.rewards.empty())
    for (const BatchReward &reward : mine->rewards)
      sum.rewards.emplace_back(reward.name, 0);
  if (mine && mine->kl && !sum.kl)
    sum.kl = 0;
  constexpr size_t kFigures = 32;
  std::array<double, kFigures> row = {};
  if (mine) {
    row[0] = mine->loss;
    row[1] = mine->kl.value_or(0);
    for (size_t i = 0; i < mine->rewards.size() && i + 2 < kFigures; ++i)
      row[i + 2] = meanOf(mine->rewards[i].values);
  }
  std::vector<std::array<double, kFigures>> all(static_cast<size_t>(ranks_.size()));
  ranks_.gather(row.data(), all.data(), sizeof row);
  for (size_t r = 0; r < static_cast<size_t>(counts); ++r) {
    sum.loss += all[r][0] / batches;
    if (sum.kl)
      *sum.kl += all[r][1] / batches;
    for (size_t i = 0; i < sum.rewards.size(); ++i)
      sum.rewards[i].second += all[r][i + 2] / batches;
  }
}

bool Trainer::accumulate(StepMetrics &metrics, std::vector<Image> &images) {
  int64_t rounds = config_.train.gradientAccumulationSteps, batches = rounds * ranks_.size();
  // As loss / accumulation does in torch: every gradient is scaled by the rounded reciprocal, then added in order.
  float share = 1.0f / static_cast<float>(batches);
  bool grid = due(metrics.step, config_.log.sampleSteps ? config_.log.sampleSteps : config_.checkpoint.checkpointingSteps) || metrics.step == config_.train.maxTrainSteps || metrics.step == 1;
  gradients_.clear();
  for (int64_t i = 0; i < rounds; ++i) {
    if (hooks_.stopRequested && hooks_.stopRequested())
      return false;
    // Neighbouring samples are on neighbouring ranks: a round is a run of consecutive samples.
    TrainBatch batch = batchAt(state_.samples + (i * ranks_.size() + ranks_.rank()) * step_.batch());
    BatchResult result = step_.run(batch, grid && log_ && images.size() < kGridPictures);
    requireFinite(batch, result, metrics);
    addFigures(&result, ranks_.size(), static_cast<double>(batches), metrics);
    gradients_.add(result.gradients, share);
    for (Image &image : result.images)
      if (images.size() < kGridPictures)
        images.push_back(std::move(image));
  }
  return true;
}

void Trainer::update(StepMetrics &metrics) {
  const std::vector<std::span<float>> &gradients = gradients_.total();
  std::lock_guard lock(stateLock_);
  metrics.gradNorm = config_.optimizer.maxGradNorm > 0 ? clipByGlobalNorm(gradients, config_.optimizer.maxGradNorm) : globalNorm({gradients.begin(), gradients.end()});
  metrics.learningRate = learningRate(scheduleOf(config_), state_.step);
  AdamWOptions options{metrics.learningRate, config_.optimizer.betas[0], config_.optimizer.betas[1], config_.optimizer.eps, config_.optimizer.weightDecay};
  std::vector<std::span<float>> parameters = trainableTensors(state_.adapter);
  ++state_.step;
  for (size_t t = 0; t < parameters.size(); ++t)
    adamWStep(parameters[t], gradients[t], state_.average[t], state_.averageSquares[t], state_.step, options);
  if (!state_.ema.empty())
    updateEma(state_.ema, state_.adapter, state_.step, config_.optimizer.emaDecay);
  state_.samples += samplesPerStep();
  state_.validationPending = validation_ && due(state_.step, config_.checkpoint.validationSteps);
}

void Trainer::validate() {
  step_.setAdapter(state_.averaged());
  ValidationMetrics metrics;
  metrics.step = state_.step;
  int64_t rows = step_.batch(), count = static_cast<int64_t>(validation_->records.size()), batches = count / rows;
  if (batches * rows < count && state_.step == config_.checkpoint.validationSteps)
    note(std::to_string(count - batches * rows) + " of " + std::to_string(count) + " validation records do not fill a batch and are left out.");
  std::vector<Image> images;
  for (int64_t i = 0; i < batches; i += ranks_.size()) {
    int counts = static_cast<int>(std::min<int64_t>(ranks_.size(), batches - i));
    std::optional<BatchResult> result;
    if (ranks_.rank() < counts) {
      TrainBatch batch{{}, (i + ranks_.rank()) * rows, false};
      for (int64_t row = 0; row < rows; ++row)
        batch.records.push_back(&validation_->records[static_cast<size_t>(batch.firstSample + row)]);
      result = step_.run(batch, log_ && images.size() < kGridPictures);
      for (Image &image : result->images)
        if (images.size() < kGridPictures)
          images.push_back(std::move(image));
    }
    addFigures(result ? &*result : nullptr, counts, static_cast<double>(batches), metrics);
  }
  metrics.samples = batches * rows;
  if (log_) {
    log_->validation(metrics);
    log_->samples(state_.step, images);
  }
  std::lock_guard lock(stateLock_);
  state_.validationPending = false;
  // The best is judged by the objective itself: the weighted sum of rewards is the negative loss.
  if (std::isfinite(metrics.loss) && (!state_.best || -metrics.loss > state_.best->reward)) {
    state_.best = BestReward{-metrics.loss, state_.step};
    if (log_) {
      WholeFolder best(joinPath(config_.checkpoint.outputDir, "best"));
      writePeftFolder(best.path(), state_.averaged(), {targets_, config_.adapter.dropout, ""});
      best.commit();
    }
  }
  step_.setAdapter(state_.adapter);
}

void Trainer::saveLocked() {
  if (savedStep_ == state_.step)
    return;
  saveCheckpoint(config_.checkpoint.outputDir, state_, checkpointSettings());
  savedStep_ = state_.step;
}

int64_t Trainer::saveNow() {
  std::lock_guard lock(stateLock_);
  saveLocked();
  return state_.step;
}

void Trainer::save(bool last) {
  if (!last && !due(state_.step, config_.checkpoint.checkpointingSteps))
    return;
  std::lock_guard lock(stateLock_);
  if (savedStep_ == state_.step)
    return;
  if (!log_) {
    savedStep_ = state_.step; // by rank 0
    return;
  }
  saveLocked();
  limitCheckpoints(config_.checkpoint.outputDir, config_.checkpoint.checkpointsTotalLimit);
  log_->report();
}

void Trainer::writeFinal() const {
  WholeFolder folder(joinPath(config_.checkpoint.outputDir, "final"));
  std::vector<AdapterModule> adapter = state_.averaged();
  writePeftFolder(folder.path(), adapter, {targets_, config_.adapter.dropout, ""});
  writeDiffusersFile(joinPath(folder.path(), "pytorch_lora_weights.safetensors"), adapter);
  writeKohyaFile(joinPath(folder.path(), "kohya.safetensors"), adapter);
  folder.commit();
}

TrainEnd Trainer::run(const TrainHooks &hooks) {
  hooks_ = hooks;
  const std::string &folder = config_.checkpoint.outputDir;
  if (!resumed_ && !listCheckpoints(folder).empty())
    throw Error(665, printable(folder, 1024), "a folder without checkpoints for a new run", listCheckpoints(folder).back(), "give --resume latest or another checkpoint.output_dir");
  requireSameState(); // and nobody goes on, or writes, before everybody has looked
  if (ranks_.rank() == 0) {
    makeFolders(folder);
    removeLeftovers(folder);
    log_.emplace(config_, state_.step);
  }
  step_.setAdapter(state_.adapter);
  // A run that ended between a step and its validation.
  if (validation_ && state_.validationPending)
    validate();
  while (state_.step < config_.train.maxTrainSteps) {
    double started = now();
    StepMetrics metrics;
    metrics.step = state_.step + 1;
    metrics.samples = state_.samples + samplesPerStep();
    std::vector<Image> images;
    if (!accumulate(metrics, images)) {
      // Batches of the unfinished step are computed again after resuming: the same samples, the same bits.
      save(true);
      return TrainEnd::Interrupted;
    }
    update(metrics);
    step_.setAdapter(state_.adapter);
    metrics.seconds = now() - started;
    metrics.samplesPerSecond = static_cast<double>(samplesPerStep()) / std::max(1e-9, metrics.seconds);
    uint64_t peak = peakResidentBytes();
    std::vector<uint64_t> peaks(static_cast<size_t>(ranks_.size()));
    ranks_.gather(&peak, peaks.data(), sizeof peak);
    metrics.peakMemoryBytes = std::accumulate(peaks.begin(), peaks.end(), uint64_t(0));
    if (log_ && (due(state_.step, config_.log.logEvery) || state_.step == config_.train.maxTrainSteps))
      log_->step(metrics);
    if (hooks_.onStep)
      hooks_.onStep(metrics, config_.train.maxTrainSteps);
    if (state_.validationPending)
      validate();
    else if (log_)
      log_->samples(state_.step, images);
    save(state_.step == config_.train.maxTrainSteps);
  }
  if (log_) {
    writeFinal();
    log_->report();
  }
  return TrainEnd::Finished;
}

} // namespace hb
