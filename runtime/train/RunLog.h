// What a run writes about itself while it goes on: metrics.jsonl, TensorBoard events, sample grids, report.html.
#pragma once

#include "runtime/formats/Image.h"
#include "runtime/train/EventFile.h"
#include "runtime/train/TrainConfig.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hb {

/// What samples gave, as means over them; the loss has all weights applied, the others none.
struct Figures {
  double loss = 0;
  std::vector<std::pair<std::string, double>> rewards;
  std::optional<double> kl; ///< where the program has the term (hbc compile --kl)
};

/// The figures of one optimizer step.
struct StepMetrics : Figures {
  int64_t step = 0, samples = 0;
  double gradNorm = 0, learningRate = 0, seconds = 0, samplesPerSecond = 0;
  uint64_t peakMemoryBytes = 0;
  int64_t nonfinite = 0;

  /// The mean of the rewards.
  double rewardMean() const;
};

/// The figures of one validation.
struct ValidationMetrics : Figures {
  int64_t step = 0, samples = 0;
};

/// Writes into the output folder. Lines of a resumed run that lie behind its checkpoint are dropped, since they are computed again.
class RunLog {
public:
  /// `resumedStep`: 0 for a new run. HB0901.
  RunLog(const TrainConfig &config, int64_t resumedStep);

  void step(const StepMetrics &metrics);
  void validation(const ValidationMetrics &metrics);
  /// A grid of pictures, as samples/step-000123.png and in the report.
  void samples(int64_t step, const std::vector<Image> &images);
  /// Writes the report anew.
  void report() const;

private:
  bool reports(const char *kind) const;
  void line(const nlohmann::ordered_json &values);
  void scalars(const nlohmann::ordered_json &values);

  const TrainConfig &config_;
  std::string folder_;
  std::vector<nlohmann::json> history_; ///< the lines of metrics.jsonl
  std::unique_ptr<EventFile> events_;
};

/// Pictures side by side, four a row, on white with two pixels between them. All have the size of the first.
Image pictureGrid(const std::vector<Image> &images);

} // namespace hb
