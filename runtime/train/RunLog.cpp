#include "runtime/train/RunLog.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/train/Report.h"
#include "runtime/train/WholeFolder.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace hb {
namespace {

constexpr const char *kMetricsFile = "metrics.jsonl";
constexpr uint64_t kMaxMetrics = uint64_t(1) << 32;

/// JSON has no infinities; they become null, and `nonfinite` counts them.
nlohmann::ordered_json finite(double value) { return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(); }

double meanOf(const std::vector<std::pair<std::string, double>> &rewards) {
  double sum = 0;
  for (const auto &[name, value] : rewards)
    sum += value;
  return rewards.empty() ? 0 : sum / static_cast<double>(rewards.size());
}

nlohmann::ordered_json toJson(const StepMetrics &m) {
  nlohmann::ordered_json line = {{"step", m.step}, {"samples", m.samples}, {"loss", finite(m.loss)}};
  for (const auto &[name, value] : m.rewards)
    line["reward/" + name] = finite(value);
  line["reward/mean"] = finite(m.rewardMean());
  if (m.kl)
    line["kl"] = finite(*m.kl);
  line["grad_norm"] = finite(m.gradNorm);
  line["lr"] = m.learningRate;
  line["step_time_s"] = m.seconds;
  line["samples_per_s"] = m.samplesPerSecond;
  line["peak_mem_bytes"] = m.peakMemoryBytes;
  line["nonfinite"] = m.nonfinite;
  return line;
}

nlohmann::ordered_json toJson(const ValidationMetrics &m) {
  nlohmann::ordered_json line = {{"step", m.step}, {"validation/samples", m.samples}, {"validation/loss", finite(m.loss)}};
  for (const auto &[name, value] : m.rewards)
    line["validation/reward/" + name] = finite(value);
  line["validation/reward/mean"] = finite(meanOf(m.rewards));
  if (m.kl)
    line["validation/kl"] = finite(*m.kl);
  return line;
}

std::string gridName(int64_t step) {
  char name[40];
  std::snprintf(name, sizeof name, "step-%06lld.png", static_cast<long long>(step));
  return name;
}

} // namespace

double StepMetrics::rewardMean() const { return meanOf(rewards); }

Image pictureGrid(const std::vector<Image> &images) {
  constexpr int kColumns = 4, kGap = 2;
  int count = static_cast<int>(images.size()), columns = std::min(count, kColumns), rows = (count + columns - 1) / columns;
  int w = images.front().width, h = images.front().height;
  Image grid{columns * (w + kGap) + kGap, rows * (h + kGap) + kGap, {}};
  grid.rgb.assign(static_cast<size_t>(grid.width) * grid.height * 3, 255);
  for (int i = 0; i < count; ++i)
    for (int y = 0; y < h; ++y)
      std::copy_n(images[i].rgb.begin() + static_cast<ptrdiff_t>(y) * w * 3, w * 3,
                  grid.rgb.begin() + (static_cast<ptrdiff_t>((i / columns) * (h + kGap) + kGap + y) * grid.width + (i % columns) * (w + kGap) + kGap) * 3);
  return grid;
}

RunLog::RunLog(const TrainConfig &config, int64_t resumedStep) : config_(config), folder_(config.checkpoint.outputDir) {
  makeFolders(folder_);
  makeFolders(joinPath(folder_, "samples"));
  std::string path = joinPath(folder_, kMetricsFile), kept;
  if (resumedStep > 0 && isFile(path)) {
    std::string text = readTextFile(path, kMaxMetrics);
    for (size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
      nlohmann::json line = nlohmann::json::parse(text.substr(begin, end - begin), nullptr, false);
      if (!line.is_object() || line.value("step", int64_t(0)) > resumedStep)
        continue;
      kept += text.substr(begin, end - begin + 1);
      history_.push_back(std::move(line));
    }
  }
  if (reports("jsonl"))
    writeFileAtomically(path, kept);
  if (reports("tensorboard"))
    events_ = std::make_unique<EventFile>(joinPath(folder_, "logs"));
  writeFileAtomically(joinPath(folder_, "config.resolved.toml"), resolvedConfig(config));
}

bool RunLog::reports(const char *kind) const { return std::find(config_.log.reportTo.begin(), config_.log.reportTo.end(), kind) != config_.log.reportTo.end(); }

void RunLog::line(const nlohmann::ordered_json &values) {
  history_.push_back(values);
  if (!reports("jsonl"))
    return;
  std::string path = joinPath(folder_, kMetricsFile), text = values.dump() + "\n";
  std::FILE *file = std::fopen(path.c_str(), "ae");
  bool written = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  int reason = errno;
  if (file && std::fclose(file) != 0)
    written = false;
  if (!written)
    throw Error(901, printable(path, 1024), "a file that can be written", std::strerror(reason), "free some space and resume");
}

void RunLog::scalars(const nlohmann::ordered_json &values) {
  if (!events_)
    return;
  std::vector<EventFile::Scalar> scalars;
  for (const auto &[key, value] : values.items())
    if (key != "step" && value.is_number())
      scalars.push_back({key, value.get<float>()});
  events_->scalars(values["step"].get<int64_t>(), scalars);
}

void RunLog::step(const StepMetrics &metrics) {
  nlohmann::ordered_json values = toJson(metrics);
  line(values);
  scalars(values);
}

void RunLog::validation(const ValidationMetrics &metrics) {
  nlohmann::ordered_json values = toJson(metrics);
  line(values);
  scalars(values);
}

void RunLog::samples(int64_t step, const std::vector<Image> &images) {
  if (images.empty())
    return;
  Image grid = pictureGrid(images);
  std::string png = encodePng(grid);
  writeFileAtomically(joinPath(joinPath(folder_, "samples"), gridName(step)), png);
  if (events_)
    events_->image(step, "samples", grid.width, grid.height, png);
}

void RunLog::report() const {
  if (reports("html"))
    writeFileAtomically(joinPath(folder_, "report.html"), reportPage(history_, joinPath(folder_, "samples"), resolvedConfig(config_)));
}

} // namespace hb
