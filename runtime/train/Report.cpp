#include "runtime/train/Report.h"

#include "runtime/base/HtmlPage.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

namespace hb {
namespace {

struct Point {
  double x, y;
};
struct Curve {
  std::string name;
  std::vector<Point> points;
};

constexpr const char *kColours[] = {"#1b6ca8", "#c0392b", "#27864f", "#8e44ad", "#b9770e", "#16a085", "#7f8c8d"};

std::string base64(std::string_view bytes) {
  constexpr const char *kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j)
      out += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

/// The finite values of one key over the steps.
Curve curveOf(const std::vector<nlohmann::json> &history, const std::string &key, double scale = 1) {
  Curve curve{key, {}};
  for (const nlohmann::json &line : history)
    if (auto it = line.find(key); it != line.end() && it->is_number())
      curve.points.push_back({line.value("step", 0.0), it->get<double>() * scale});
  return curve;
}

/// Lines over steps with the ends of both axes labelled.
std::string chart(const std::string &title, const std::vector<Curve> &curves) {
  constexpr double kWidth = 800, kHeight = 240, kLeft = 70, kRight = 10, kTop = 10, kBottom = 25;
  double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
  for (const Curve &curve : curves)
    for (const Point &p : curve.points) {
      x0 = std::min(x0, p.x), x1 = std::max(x1, p.x);
      y0 = std::min(y0, p.y), y1 = std::max(y1, p.y);
    }
  if (!(x0 <= x1))
    return "";
  if (y0 == y1)
    y0 -= std::max(1e-9, std::abs(y0) * 0.05), y1 += std::max(1e-9, std::abs(y1) * 0.05);
  auto px = [&](double x) { return kLeft + (x1 > x0 ? (x - x0) / (x1 - x0) : 0.5) * (kWidth - kLeft - kRight); };
  auto py = [&](double y) { return kHeight - kBottom - (y - y0) / (y1 - y0) * (kHeight - kTop - kBottom); };
  std::string out = "<h2>" + htmlEscaped(title) + "</h2>\n<svg viewBox=\"0 0 800 240\" role=\"img\" aria-label=\"" + htmlEscaped(title) + "\">\n";
  auto label = [&](double x, double y, const char *anchor, const std::string &text) {
    out += "<text x=\"" + shortNumber(x) + "\" y=\"" + shortNumber(y) + "\" text-anchor=\"" + anchor + "\">" + htmlEscaped(text) + "</text>\n";
  };
  label(kLeft - 6, kTop + 8, "end", shortNumber(y1));
  label(kLeft - 6, kHeight - kBottom, "end", shortNumber(y0));
  label(kLeft, kHeight - 8, "start", "step " + shortNumber(x0));
  label(kWidth - kRight, kHeight - 8, "end", "step " + shortNumber(x1));
  size_t colour = 0;
  double legend = kLeft + 10;
  for (const Curve &curve : curves) {
    if (curve.points.empty())
      continue;
    const char *stroke = kColours[colour++ % std::size(kColours)];
    out += std::string("<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"") + stroke + "\" points=\"";
    // More points than pixels would only make the page heavy.
    size_t stride = std::max<size_t>(1, curve.points.size() / 1600);
    for (size_t i = 0; i < curve.points.size(); i += stride)
      out += shortNumber(px(curve.points[i].x)) + "," + shortNumber(py(curve.points[i].y)) + " ";
    out += "\"/>\n";
    if (curve.points.size() == 1)
      out += "<circle r=\"3\" cx=\"" + shortNumber(px(curve.points[0].x)) + "\" cy=\"" + shortNumber(py(curve.points[0].y)) + "\" fill=\"" + stroke + "\"/>\n";
    out += std::string("<text x=\"") + shortNumber(legend) + "\" y=\"22\" style=\"fill:" + stroke + "\">" + htmlEscaped(curve.name) + "</text>\n";
    legend += 14 + 6.5 * static_cast<double>(curve.name.size());
  }
  return out + "</svg>\n";
}

std::vector<Curve> curvesWithPrefix(const std::vector<nlohmann::json> &history, const std::string &prefix) {
  std::set<std::string> keys;
  for (const nlohmann::json &line : history)
    for (const auto &[key, value] : line.items())
      if (key.rfind(prefix, 0) == 0)
        keys.insert(key);
  std::vector<Curve> curves;
  for (const std::string &key : keys)
    curves.push_back(curveOf(history, key));
  return curves;
}

/// First, best and last value of every reward.
std::string summary(const std::vector<Curve> &curves) {
  std::string out = "<table><tr><th></th><th>first</th><th>best</th><th>last</th></tr>\n";
  for (const Curve &curve : curves) {
    if (curve.points.empty())
      continue;
    double best = std::max_element(curve.points.begin(), curve.points.end(), [](const Point &a, const Point &b) { return a.y < b.y; })->y;
    out += "<tr><td>" + htmlEscaped(curve.name) + "</td><td>" + shortNumber(curve.points.front().y) + "</td><td>" + shortNumber(best) + "</td><td>" + shortNumber(curve.points.back().y) + "</td></tr>\n";
  }
  return out + "</table>\n";
}

std::string sampleGrids(const std::string &folder) {
  constexpr size_t kMost = 12;
  std::vector<std::string> names;
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".png" && entry.path().filename().string()[0] != '.')
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::string out;
  size_t last = names.size();
  for (size_t i = 0; i < std::min(kMost, names.size()); ++i) {
    size_t index = names.size() <= kMost ? i : i * (names.size() - 1) / (kMost - 1);
    if (index == last)
      continue;
    last = index;
    out += "<figure><img alt=\"samples\" src=\"data:image/png;base64," + base64(readTextFile(joinPath(folder, names[index]))) + "\"><figcaption>" + htmlEscaped(names[index]) + "</figcaption></figure>\n";
  }
  return out.empty() ? "" : "<h2>Samples</h2>\n" + out;
}

} // namespace

std::string reportPage(const std::vector<nlohmann::json> &history, const std::string &samplesFolder, const std::string &config) {
  std::vector<Curve> rewards = curvesWithPrefix(history, "reward/"), validation = curvesWithPrefix(history, "validation/reward/");
  int64_t steps = 0, samples = 0;
  for (const nlohmann::json &line : history) {
    steps = std::max(steps, line.value("step", int64_t(0)));
    samples = std::max(samples, line.value("samples", int64_t(0)));
  }
  std::vector<Curve> both = rewards;
  both.insert(both.end(), validation.begin(), validation.end());
  std::string page = htmlBegin("Training report") + "<h1>Reward fine-tuning</h1>\n<p>" + std::to_string(steps) + " optimizer steps, " + std::to_string(samples) + " samples.</p>\n" + summary(both);
  page += chart("Rewards", rewards) + chart("Held-out rewards", validation) + chart("Loss", {curveOf(history, "loss"), curveOf(history, "validation/loss")});
  page += chart("Distance to the frozen model (KL)", {curveOf(history, "kl"), curveOf(history, "validation/kl")}) + chart("Gradient norm", {curveOf(history, "grad_norm")});
  page += chart("Learning rate", {curveOf(history, "lr")}) + chart("Peak memory, MiB", {curveOf(history, "peak_mem_bytes", 1.0 / (1 << 20))}) + chart("Seconds per step", {curveOf(history, "step_time_s")});
  page += sampleGrids(samplesFolder) + "<h2>Configuration</h2>\n<pre>" + htmlEscaped(config) + "</pre>\n" + htmlEnd();
  return page;
}

} // namespace hb
