// hb-rt train: reward fine-tuning of adapters (Algorithm 1) with a compiled loss and gradient.
#include "runtime/base/Error.h"
#include "runtime/base/Memory.h"
#include "runtime/train/TrainMemory.h"
#include "runtime/train/Trainer.h"
#include "tools/hb-rt/Commands.h"
#include "tools/hb-rt/Progress.h"
#include "tools/hb-rt/SessionFlags.h"
#include "tools/hb-rt/TrainRanks.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <unistd.h>

namespace hb::rt {
namespace {

struct TrainOptions {
  std::string config, resume;
  bool dryRun = false, quiet = false;
  SessionOptions session;
  CLI::App *parser = nullptr;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double mebibytes(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

/// Rate, reward, gradient norm and time left: over itself on a terminal, a line per step otherwise.
class TrainProgress {
public:
  TrainProgress(bool quiet, bool notes) : quiet_(quiet), notes_(notes), terminal_(isatty(STDERR_FILENO)) {}
  ~TrainProgress() {
    if (drawn_)
      std::fprintf(stderr, "\n");
  }
  void step(const StepMetrics &m, int64_t total) {
    if (quiet_)
      return;
    // Recent steps count more: the first one packs weights.
    seconds_ = seconds_ == 0 ? m.seconds : 0.9 * seconds_ + 0.1 * m.seconds;
    std::fprintf(stderr, "%sstep %lld/%lld, reward %.4f, loss %.4f, gradient %.3g, %.3g samples/s, %s left%s", terminal_ ? "\r" : "", static_cast<long long>(m.step), static_cast<long long>(total), m.rewardMean(),
                 m.loss, m.gradNorm, m.samplesPerSecond, durationText(seconds_ * static_cast<double>(total - m.step)).c_str(), terminal_ ? "   " : "\n");
    drawn_ = terminal_;
  }
  void note(const std::string &text) {
    if (!notes_)
      return;
    std::fprintf(stderr, "%snote: %s\n", drawn_ ? "\n" : "", text.c_str());
    drawn_ = false;
  }

private:
  bool quiet_, notes_, terminal_, drawn_ = false;
  double seconds_ = 0;
};

size_t parameterCount(const std::vector<AdapterModule> &adapter) {
  size_t count = 0;
  for (std::span<const float> tensor : trainableTensors(adapter))
    count += tensor.size();
  return count;
}

/// What a run will do and need, and what its first batch gives.
void dryRun(const TrainConfig &config, const MemoryPlan &plan, size_t parameters, ModuleStep &step, const Manifest &training, const std::vector<AdapterModule> &adapter, Trainer &trainer) {
  int64_t perStep = step.batch() * config.train.gradientAccumulationSteps;
  std::printf("records            %zu in %s\n", training.records.size(), config.data.manifest.c_str());
  std::printf("adapter            %zu modules, %zu parameters, rank %lld, scale %g\n", adapter.size(), parameters, static_cast<long long>(config.adapter.rank), adapter.front().scale);
  std::printf("samples            %lld a step (batch %lld, accumulation %lld), %lld steps, %.2f epochs\n", static_cast<long long>(perStep), static_cast<long long>(step.batch()),
              static_cast<long long>(config.train.gradientAccumulationSteps), static_cast<long long>(config.train.maxTrainSteps),
              static_cast<double>(perStep * config.train.maxTrainSteps) / static_cast<double>(training.records.size()));
  step.setAdapter(adapter);
  double started = now();
  TrainBatch first = trainer.firstBatch();
  BatchResult result = step.run(first, false);
  double cold = now() - started;
  float norm = globalNorm(result.gradients);
  for (const BatchReward &reward : result.rewards)
    std::printf("first batch        reward %s = %.6f\n", reward.name.c_str(), static_cast<double>(reward.values.front()));
  std::printf("first batch        loss %.6f, gradient norm %.6g\n", result.loss, static_cast<double>(norm));
  started = now();
  step.run(first, false);
  double warm = now() - started;
  std::printf("time               %.2f s for the first batch, %.2f s for each other: about %s in all\n", cold, warm,
              durationText(warm * static_cast<double>(config.train.gradientAccumulationSteps * config.train.maxTrainSteps)).c_str());
  std::printf("memory             %s\n", plan.text().c_str());
  std::printf("peak memory        %.1f MiB planned; %.1f MiB resident so far\n", mebibytes(plan.total()), mebibytes(peakResidentBytes()));
  if (!std::isfinite(result.loss) || !std::isfinite(norm))
    throw Error(663, "the first batch", "finite values", "loss " + std::to_string(result.loss) + ", gradient norm " + std::to_string(norm) + ", computed by " + step.locateNonFinite(first), "nothing was written");
}

int train(TrainOptions options) {
  // Before anything can fail: a rank that ended without having joined would leave the others waiting for it.
  std::unique_ptr<Ranks> joined = launchedProcesses() > 1 && !options.dryRun ? joinMpi() : nullptr;
  Ranks &ranks = joined ? *joined : oneRank();
  options.quiet |= ranks.rank() != 0;
  TrainConfig config = readTrainConfig(options.config, configOverrides(options.parser->remaining()));
  // Manifests first: they are the likelier ones to be wrong, and the cheaper ones to check.
  Manifest training = Manifest::read(config.data.manifest, config.sampler.seed < 0);
  requireImages(training);
  std::optional<Manifest> validation;
  if (!config.data.validation.empty()) {
    validation = Manifest::read(config.data.validation, config.sampler.seed < 0);
    requireImages(*validation);
  }
  if (options.session.weights.empty())
    options.session.weights = config.model.weights;
  // One device for each process of a machine.
  if (options.session.device == "cuda" && joined)
    options.session.device = "cuda:" + std::to_string(localRank());
  TrainProgress progress(options.quiet, ranks.rank() == 0);
  Session session(config.model.compiled, options.session);
  ModuleStep step(session, config);
  uint64_t process = residentBytes();
  std::vector<std::string> warnings;
  std::vector<AdapterModule> adapter = step.startAdapter(warnings);
  for (const std::string &warning : warnings)
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  for (const std::string &note : step.notes())
    progress.note(note);
  Trainer trainer(config, step, training, validation ? &*validation : nullptr, std::move(adapter), step.targetModules(), ranks);
  if (!options.resume.empty())
    trainer.resume(options.resume);
  if (options.dryRun) {
    size_t parameters = parameterCount(trainer.state().adapter);
    // Records that the run comes to; validation's are kept as well.
    int64_t samples = step.batch() * config.train.gradientAccumulationSteps * config.train.maxTrainSteps;
    size_t records = std::min(training.records.size(), static_cast<size_t>(samples)) + (validation ? validation->records.size() : 0);
    dryRun(config, planTraining(session, process, step, config, records, parameters, ranks.size()), parameters, step, training, trainer.state().adapter, trainer);
    return 0;
  }
  InterruptGuard interrupt;
  TrainHooks hooks;
  std::optional<RankWatch> watch;
  if (joined)
    watch.emplace(ranks, trainer, interrupt);
  else
    hooks.stopRequested = [&] { return interrupt.requested(); };
  hooks.onStep = [&](const StepMetrics &metrics, int64_t total) { progress.step(metrics, total); };
  hooks.onNote = [&](const std::string &text) { progress.note(text); };
  if (trainer.run(hooks) == TrainEnd::Interrupted) {
    progress.note("interrupted after step " + std::to_string(trainer.state().step) + "; a checkpoint is written: continue with --resume latest.");
    return static_cast<int>(ExitCode::Interrupted);
  }
  if (ranks.rank() == 0)
    std::printf("%s/final\n", config.checkpoint.outputDir.c_str());
  return 0;
}

} // namespace

Action addTrain(CLI::App &app) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App *sub = app.add_subcommand("train", "fine-tune adapters by back-propagating rewards through the last denoising steps");
  options->parser = sub;
  sub->add_option("--config", options->config, "train.toml; every setting can also be given as --table.key VALUE");
  sub->add_option("--resume", options->resume, "continue a run: latest, or the folder of a checkpoint");
  sub->add_flag("--dry-run", options->dryRun, "check everything, compute the first batch, print plan and memory, write nothing");
  sub->add_flag("--quiet", options->quiet, "no progress");
  addSessionFlags(*sub, options->session);
  sub->allow_extras();
  sub->footer(configHelp());
  return [options] { return train(*options); };
}

} // namespace hb::rt
