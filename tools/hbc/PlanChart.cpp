#include "tools/hbc/PlanChart.h"

#include "runtime/base/HtmlPage.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hb::tool {
namespace {

constexpr double kWidth = 960, kHeight = 330, kLeft = 72, kRight = 14, kTop = 34, kBottom = 44;
constexpr int64_t kColumns = 400;
constexpr size_t kNamed = 4; ///< tensors under the pointer

struct StageText {
  grad::Stage stage;
  const char *name, *style;
};
constexpr StageText kStages[] = {
    {grad::Stage::forward, "forward", "stage-f"}, {grad::Stage::backward, "backward", "stage-b"}, {grad::Stage::recompute, "forward work done again", "stage-r"}};

/// What a column of the drawing shows: the fullest of its commands.
struct Column {
  int64_t first = 0, last = 0, fullest = 0, bytes = 0;
  Timeline::Kinds kinds = {};
  grad::Stage stage = grad::Stage::forward;
};

std::vector<Column> columnsOf(const Timeline &timeline) {
  std::vector<Timeline::Kinds> occupied = timeline.occupied();
  const int64_t count = std::min(kColumns, timeline.commands);
  std::vector<Column> columns;
  for (int64_t c = 0; c < count; ++c) {
    Column column;
    column.first = c * timeline.commands / count;
    column.last = (c + 1) * timeline.commands / count - 1;
    column.bytes = -1;
    for (int64_t at = column.first; at <= column.last; ++at) {
      const Timeline::Kinds &kinds = occupied[static_cast<size_t>(at)];
      if (int64_t bytes = std::accumulate(kinds.begin(), kinds.end(), int64_t(0)); bytes > column.bytes)
        column.fullest = at, column.bytes = bytes, column.kinds = kinds;
    }
    column.stage = timeline.stages[static_cast<size_t>(column.fullest)];
    columns.push_back(column);
  }
  return columns;
}

/// Distance of grid lines: 1, 2 or 5 times a power of ten of the largest unit that fits.
double gridStep(double most) {
  double unit = 1;
  while (most / unit >= 1024)
    unit *= 1024;
  double step = std::pow(10, std::floor(std::log10(std::max(most / unit, 1e-3))));
  for (double factor : {0.2, 0.5, 1.0, 2.0})
    if (most / unit / (step * factor) <= 6)
      return step * factor * unit;
  return step * 5 * unit;
}

class Drawing {
public:
  Drawing(const Timeline &timeline, const ChartLimits &limits) : timeline_(timeline), limits_(limits), columns_(columnsOf(timeline)) {
    most_ = static_cast<double>(std::max<int64_t>(limits.arena, 1));
    // A budget far above what is needed would press everything else flat: the page says it in words.
    showsRoom_ = limits.room > 0 && static_cast<double>(limits.room) <= 1.6 * most_;
    most_ = 1.08 * std::max(most_, showsRoom_ ? static_cast<double>(limits.room) : 0);
  }

  std::string run(const std::string &label) {
    out_ = "<svg class=\"memory\" viewBox=\"0 0 960 330\" role=\"img\" aria-label=\"" + htmlEscaped(label) + "\">\n";
    grid();
    areas();
    strip();
    loops();
    limits();
    hover();
    return std::move(out_) + "</svg>\n";
  }

private:
  double x(double command) const { return kLeft + command / static_cast<double>(std::max<int64_t>(timeline_.commands, 1)) * (kWidth - kLeft - kRight); }
  double y(double bytes) const { return kHeight - kBottom - bytes / most_ * (kHeight - kTop - kBottom); }
  static std::string at(double value) { return shortNumber(std::round(value * 10) / 10); }

  void line(double x0, double y0, double x1, double y1, const char *style) {
    out_ += "<line class=\"" + std::string(style) + "\" x1=\"" + at(x0) + "\" y1=\"" + at(y0) + "\" x2=\"" + at(x1) + "\" y2=\"" + at(y1) + "\"/>\n";
  }
  void text(double px, double py, const char *anchor, const std::string &words) {
    out_ += "<text x=\"" + at(px) + "\" y=\"" + at(py) + "\" text-anchor=\"" + anchor + "\">" + htmlEscaped(words) + "</text>\n";
  }
  void rect(const std::string &style, double left, double top, double width, double height, const std::string &title) {
    out_ += "<rect class=\"" + style + "\" x=\"" + at(left) + "\" y=\"" + at(top) + "\" width=\"" + at(width) + "\" height=\"" + at(height) + "\"><title>" + htmlEscaped(title) + "</title></rect>\n";
  }

  void grid() {
    const double step = gridStep(most_);
    for (double bytes = 0; bytes <= most_; bytes += step) {
      line(kLeft, y(bytes), kWidth - kRight, y(bytes), "grid");
      text(kLeft - 6, y(bytes) + 4, "end", bytesText(bytes));
    }
    text(kLeft, kHeight - 10, "start", "first command");
    text(kWidth - kRight, kHeight - 10, "end", "command " + groupedNumber(timeline_.commands));
  }

  void areas() {
    std::vector<double> floor(columns_.size(), 0), ceiling = floor;
    for (const MemoryKindText &kind : kMemoryKindTexts) {
      bool any = false;
      for (size_t c = 0; c < columns_.size(); ++c) {
        const int64_t bytes = columns_[c].kinds[static_cast<size_t>(kind.kind)];
        ceiling[c] = floor[c] + static_cast<double>(bytes);
        any |= bytes > 0;
      }
      if (any) {
        std::string path = "M" + at(kLeft) + " " + at(y(floor[0]));
        auto go = [&](const std::vector<double> &heights, bool forwards) {
          std::string before;
          for (size_t i = 0; i < columns_.size(); ++i) {
            const size_t c = forwards ? i : columns_.size() - 1 - i;
            if (std::string height = at(y(heights[c])); height != before)
              path += "V" + (before = height);
            path += "H" + at(x(static_cast<double>(forwards ? columns_[c].last + 1 : columns_[c].first)));
          }
        };
        go(ceiling, true);
        go(floor, false);
        out_ += "<path class=\"" + std::string(kind.style) + "\" d=\"" + path + "Z\"/>\n";
      }
      floor = ceiling;
    }
  }

  /// Runs of one stage under the axis.
  void strip() {
    for (size_t c = 0; c < columns_.size();) {
      size_t end = c;
      while (end < columns_.size() && columns_[end].stage == columns_[c].stage)
        ++end;
      const StageText &stage = *std::find_if(std::begin(kStages), std::end(kStages), [&](const StageText &row) { return row.stage == columns_[c].stage; });
      const double left = x(static_cast<double>(columns_[c].first)), right = x(static_cast<double>(columns_[end - 1].last + 1));
      rect(stage.style, left, kHeight - kBottom + 4, right - left, 8, stage.name);
      c = end;
    }
  }

  void loops() {
    for (const TimelineLoop &loop : timeline_.loops) {
      if (loop.depth > 1)
        continue;
      const double left = x(static_cast<double>(loop.begin)), right = x(static_cast<double>(loop.end + 1)), top = kTop - 18 + 8 * loop.depth;
      const std::string times = (loop.countIsKnown ? "×" : "× up to ") + groupedNumber(loop.count);
      rect("loop", left, top, right - left, 5,
           "a loop of " + groupedNumber(loop.end - loop.begin + 1) + " commands, drawn once; it runs " + (loop.countIsKnown ? groupedNumber(loop.count) + " times" : "as often as an input says, at most " + groupedNumber(loop.count) + " times"));
      line(left, top, left, kHeight - kBottom, "edge");
      line(right, top, right, kHeight - kBottom, "edge");
      if (const bool fits = right - left > 8.0 * static_cast<double>(times.size()); loop.depth == 0)
        fits ? text((left + right) / 2, top - 4, "middle", times) : text(right + 5, top + 6, "start", times);
    }
  }

  void limits() {
    const double arena = static_cast<double>(limits_.arena), bound = static_cast<double>(limits_.lowerBound);
    const bool same = y(bound) - y(arena) < 2;
    line(kLeft, y(arena), kWidth - kRight, y(arena), "arena");
    const bool crowded = showsRoom_ && y(arena) - y(static_cast<double>(limits_.room)) < 14;
    text(kWidth - kRight - 4, y(arena) + (crowded ? 12 : -4), "end", "arena " + bytesText(arena) + (same ? ", at its lower bound" : ""));
    if (!same) {
      line(kLeft, y(bound), kWidth - kRight, y(bound), "bound");
      text(kLeft + 6, y(bound) - 4, "start", "lower bound " + bytesText(bound));
    }
    if (showsRoom_) {
      line(kLeft, y(static_cast<double>(limits_.room)), kWidth - kRight, y(static_cast<double>(limits_.room)), "room");
      text((kLeft + kWidth - kRight) / 2, y(static_cast<double>(limits_.room)) - 4, "middle", "the budget without packed weights " + bytesText(static_cast<double>(limits_.room)));
    }
  }

  void hover() {
    for (const Column &column : columns_) {
      std::vector<const TimelineValue *> live;
      for (const TimelineValue &value : timeline_.values)
        if (value.begin <= column.fullest && column.fullest <= value.end)
          live.push_back(&value);
      const size_t named = std::min(kNamed, live.size());
      std::partial_sort(live.begin(), live.begin() + static_cast<ptrdiff_t>(named), live.end(), [](const TimelineValue *a, const TimelineValue *b) {
        return a->occupied != b->occupied ? a->occupied > b->occupied : a->begin < b->begin;
      });
      const StageText &stage = *std::find_if(std::begin(kStages), std::end(kStages), [&](const StageText &row) { return row.stage == column.stage; });
      std::string words = "command " + groupedNumber(column.fullest + 1) + ", " + stage.name + ": " + bytesText(static_cast<double>(column.bytes)) + " in " + groupedNumber(static_cast<int64_t>(live.size())) + " tensors";
      for (const MemoryKindText &kind : kMemoryKindTexts)
        if (int64_t bytes = column.kinds[static_cast<size_t>(kind.kind)])
          words += "\n" + bytesText(static_cast<double>(bytes)) + " " + kind.name;
      words += named ? "\nlargest:" : "";
      for (size_t i = 0; i < named; ++i)
        words += "\n  " + bytesText(static_cast<double>(live[i]->bytes)) + "  " + (live[i]->source.empty() ? live[i]->name : live[i]->source);
      const double left = x(static_cast<double>(column.first)), right = x(static_cast<double>(column.last + 1));
      rect("hover", left, kTop, right - left, kHeight - kTop - kBottom, words);
    }
  }

  const Timeline &timeline_;
  const ChartLimits &limits_;
  std::vector<Column> columns_;
  double most_ = 1;
  bool showsRoom_ = false;
  std::string out_;
};

} // namespace

const MemoryKindText kMemoryKindTexts[kMemoryKinds] = {
    {MemoryKind::saved, "kept for the gradient", "kept"},
    {MemoryKind::recomputed, "computed again", "again"},
    {MemoryKind::gradient, "gradients", "grads"},
    {MemoryKind::working, "working values", "other"},
};

const char *const kChartStyle =
    ":root{--kept:#3b74b8;--again:#c99a1b;--grads:#c8505e;--other:#9aa5b1}"
    "@media(prefers-color-scheme:dark){:root{--kept:#5b97dc;--again:#e0b53f;--grads:#e0707d;--other:#75808d}}"
    ".kept{fill:var(--kept);background:var(--kept)}.again,.stage-r{fill:var(--again);background:var(--again)}.grads,.stage-b{fill:var(--grads);background:var(--grads)}"
    ".other{fill:var(--other);background:var(--other)}.stage-f{fill:var(--faint)}.stage-f,.stage-b,.stage-r{opacity:.75}"
    ".grid{stroke:var(--line);stroke-width:.7}.arena{stroke:var(--ink);stroke-width:1.2}.bound{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 3}"
    ".room{stroke:var(--grads);stroke-width:1.4;stroke-dasharray:7 4}.loop{fill:var(--faint);opacity:.6}.edge{stroke:var(--faint);stroke-width:.6;stroke-dasharray:1 3}"
    ".hover{fill:transparent}.hover:hover{fill:var(--ink);fill-opacity:.14}svg.memory text{paint-order:stroke;stroke:var(--panel);stroke-width:3px;stroke-linejoin:round}";

std::string memoryChart(const Timeline &timeline, const ChartLimits &limits, const std::string &label) { return Drawing(timeline, limits).run(label); }

} // namespace hb::tool
