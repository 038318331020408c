// train.toml: every number of a training run, checked before anything is opened.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hb {

/// The settings of a run. Names and defaults are the configuration's; structure (steps, gradient steps, which rewards) is compiled.
struct TrainConfig {
  struct {
    std::string compiled, weights;
  } model;
  struct {
    int64_t rank = 8;
    double alpha = 32, dropout = 0.1;
    std::vector<std::string> targets; ///< empty: every compiled slot
    int64_t initSeed = 0;
    std::string resumeFrom;
  } adapter;
  struct {
    std::string manifest;
    bool shuffle = true;
    int64_t shuffleSeed = 0;
    std::string validation;
  } data;
  struct {
    double guidanceScale = 15;
    int64_t seed = 93; ///< −1: the record's own
  } sampler;
  std::map<std::string, double> rewards = {{"aesthetic", 3}, {"blip2", 100}, {"clip_image", 50}, {"hpsv2", 100}, {"kl", 0}, {"pickscore", 1}};
  struct {
    double learningRate = 5e-6;
    std::array<double, 2> betas = {0.9, 0.999};
    double weightDecay = 1e-2, eps = 1e-8, maxGradNorm = 0;
    std::string lrScheduler = "constant";
    int64_t lrWarmupSteps = 0, lrNumCycles = 1;
    double lrPower = 1, emaDecay = 0;
  } optimizer;
  struct {
    int64_t maxTrainSteps = 0, gradientAccumulationSteps = 8, seed = 0;
  } train;
  struct {
    std::string outputDir;
    int64_t checkpointingSteps = 500, checkpointsTotalLimit = 0, validationSteps = 0;
  } checkpoint;
  struct {
    std::vector<std::string> reportTo = {"jsonl", "tensorboard", "html"};
    int64_t logEvery = 1, sampleSteps = 0;
  } log;
  /// "table.key" of everything the user gave himself, in the file or on the command line: a default may be adapted to the module with a
  /// warning, a given value may not.
  std::vector<std::string> given;
  bool isGiven(const std::string &key) const;
};

/// "table.key" and the value as written: from the command line.
using ConfigOverride = std::pair<std::string, std::string>;

/// Reads a file (none when `path` is empty) and applies the command line's settings over it.
/// HB0902 unreadable, HB0650 not TOML, HB0651 unknown key, HB0652 wrong value, HB0653 missing setting, HB0654 command line.
TrainConfig readTrainConfig(const std::string &path, const std::vector<ConfigOverride> &overrides);
/// The same from text; `where` names it in messages.
TrainConfig parseTrainConfig(const std::string &text, const std::string &where, const std::vector<ConfigOverride> &overrides = {});

/// Splits what the command line's parser left over: "--table.key", "value", … or "--table.key=value". HB0654.
std::vector<ConfigOverride> configOverrides(const std::vector<std::string> &arguments);

/// Every setting with the value it has, as TOML that readTrainConfig reads back to the same values.
std::string resolvedConfig(const TrainConfig &config);
/// One line per key: name, default, meaning; for --help.
std::string configHelp();

} // namespace hb
