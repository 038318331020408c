#include "tools/hbc/PlanPage.h"

#include "runtime/base/HtmlPage.h"
#include "tools/hbc/PlanChart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>
#include <tuple>
#include <vector>

using nlohmann::json;

namespace hb::tool {
namespace {

constexpr size_t kMostRows = 1000; ///< of the table of kept tensors

constexpr const char *kStyle =
    ".facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:.6rem 0 1rem}.facts div{min-width:7rem}.facts dt{color:var(--faint);font-size:.8rem}.facts dd{margin:0;font-size:1.15rem;font-variant-numeric:tabular-nums}"
    ".legend{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;margin:.4rem 0;font-size:.88rem;color:var(--faint)}.legend i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}"
    ".legend b{color:var(--ink);font-weight:600}.wide{overflow:auto;max-height:27rem;margin:.5rem 0;border:1px solid var(--line);border-radius:4px}.wide thead th{position:sticky;top:0;background:var(--panel)}.wide tr:last-child td{border-bottom:0}td[data-v],th{white-space:nowrap}table{font-size:.88rem}.wide table{width:100%}td.l,th.l{text-align:left}td.s{color:var(--faint);font-size:.82rem;min-width:16rem}"
    "td code{font-size:.82rem;white-space:nowrap}summary{cursor:pointer;font-weight:600;margin:.8rem 0 .3rem}nav a{margin-right:1rem}a{color:var(--kept)}h3{margin:1.4rem 0 .4rem;font-size:1rem}section{border-top:1px solid var(--line);margin-top:2rem}"
    "th button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}th button::after{content:' ↕';color:var(--faint)}"
    "td.bar{min-width:8rem;background:linear-gradient(to right,var(--kept) var(--w),transparent var(--w)) left bottom/100% 4px no-repeat}.note{color:var(--faint);font-size:.88rem}";

/// Sorts a table by the column whose head is pressed: numbers by data-v, largest first; words by their text.
constexpr const char *kSort =
    "document.querySelectorAll('table.sort').forEach(t=>t.querySelectorAll('th button').forEach(b=>b.onclick=()=>{"
    "const i=b.parentNode.cellIndex,body=t.tBodies[0],down=b.dataset.down=b.dataset.down==='1'?'0':'1';"
    "const v=r=>{const c=r.cells[i];return c.dataset.v===undefined?c.textContent:+c.dataset.v};"
    "[...body.rows].sort((p,q)=>{const a=v(p),c=v(q),d=typeof a==='number'?c-a:a<c?-1:a>c?1:0;return down==='1'?d:-d}).forEach(r=>body.append(r))}))";

/// Billions: four digits below a thousand, whole ones above.
std::string gigaText(int64_t flops) {
  const double billions = static_cast<double>(flops) * 1e-9;
  return billions >= 1000 ? groupedNumber(std::llround(billions)) : flops && billions < 1e-3 ? "&lt; 0.001" : shortNumber(billions);
}

/// A cell whose exact number is data-v.
std::string cell(int64_t value, const std::string &text) { return "<td data-v=\"" + std::to_string(value) + "\">" + text + "</td>"; }
std::string words(const std::string &text, const char *style = "l") { return std::string("<td class=\"") + style + "\">" + htmlEscaped(text) + "</td>"; }
std::string percentText(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

/// File and line of `models/x.hb:12 module.path`; the file's name may have blanks in it.
std::string placeOf(const std::string &source) {
  for (size_t colon = source.rfind(':'); colon != source.npos && colon > 0; colon = source.rfind(':', colon - 1)) {
    const size_t end = source.find_first_not_of("0123456789", colon + 1);
    if (end == source.npos ? colon + 1 < source.size() : end > colon + 1 && source[end] == ' ')
      return source.substr(0, end);
  }
  return source;
}

class EntryPage {
public:
  EntryPage(plan::ProgramOp program, const json &entry, int64_t budget) : name_(program.getSymName().str()), entry_(entry), budget_(budget), timeline_(timelineOf(program)) {}

  std::string run() {
    out_ = "<section id=\"" + htmlEscaped(name_) + "\">\n<h2>" + htmlEscaped(name_) + "</h2>\n";
    facts();
    memory();
    saved();
    recomputed();
    kernels();
    return std::move(out_) + "</section>\n";
  }

private:
  int64_t number(const std::string &key) const { return entry_[key].get<int64_t>(); }

  void fact(const char *title, const char *key, int64_t value, const std::string &text) {
    out_ += std::string("<div><dt>") + title + "</dt><dd data-key=\"" + key + "\" data-v=\"" + std::to_string(value) + "\">" + text + "</dd></div>\n";
  }

  void facts() {
    const int64_t arena = number("peak_bytes"), weights = number("weights_bytes");
    auto bytes = [&](const char *title, const char *key, int64_t value) { fact(title, key, value, bytesText(static_cast<double>(value))); };
    out_ += "<dl class=\"facts\">\n";
    bytes("arena", "peak_bytes", arena);
    bytes("lower bound of the arena", "lower_bound_bytes", number("lower_bound_bytes"));
    bytes("packed weights", "weights_bytes", weights);
    bytes("arena and weights", "total_bytes", arena + weights);
    if (budget_) {
      bytes("budget", "budget_bytes", budget_);
      bytes("left of it", "left_bytes", budget_ - arena - weights);
    }
    if (hasGradient()) {
      bytes("kept for the gradient", "saved_bytes", number("saved_bytes"));
      bytes("computed again", "recomputed_bytes", number("recomputed_bytes"));
    }
    fact("launches", "launches", number("launches"), groupedNumber(number("launches")));
    fact("kernels", "kernels", number("kernels"), groupedNumber(number("kernels")));
    out_ += "</dl>\n<table class=\"flops\"><tr><th>GFLOP of one run</th><th>algorithm</th><th>executed</th><th>executed / algorithm</th></tr>\n";
    static constexpr std::pair<const char *, const char *> kParts[] = {{"forward", "forward"}, {"backward", "backward"}, {"recompute", "computed again"}};
    int64_t flops = 0;
    for (auto [part, title] : kParts) {
      const int64_t algorithm = number(std::string("flops_") + part), executed = number(std::string("flops_executed_") + part);
      flops += algorithm;
      if (algorithm)
        workRow(title, algorithm, executed);
    }
    workRow("all", flops, number("flops_executed"));
    out_ += "</table>\n";
  }

  void workRow(const std::string &title, int64_t algorithm, int64_t executed) {
    out_ += "<tr><td>" + title + "</td>" + cell(algorithm, gigaText(algorithm)) + cell(executed, gigaText(executed)) + "<td>" +
            (algorithm ? shortNumber(static_cast<double>(executed) / static_cast<double>(algorithm)) : "") + "</td></tr>\n";
  }

  bool hasGradient() const { return number("flops_backward") > 0; }

  void memory() {
    const int64_t arena = number("peak_bytes"), room = budget_ ? budget_ - number("weights_bytes") : 0;
    Timeline::Kinds peak = {};
    int64_t most = -1, command = 0;
    std::vector<Timeline::Kinds> occupied = timeline_.occupied();
    for (size_t at = 0; at < occupied.size(); ++at)
      if (int64_t bytes = std::accumulate(occupied[at].begin(), occupied[at].end(), int64_t(0)); bytes > most)
        most = bytes, peak = occupied[at], command = static_cast<int64_t>(at);
    out_ += "<h3>Memory over time</h3>\n";
    if (!arena) {
      out_ += "<p class=\"note\">Nothing lives between kernels: the entry needs no arena.</p>\n";
      return;
    }
    out_ += memoryChart(timeline_, {arena, number("lower_bound_bytes"), room}, "memory of " + name_ + " over time") + "<div class=\"legend\">";
    for (const MemoryKindText &kind : kMemoryKindTexts)
      if (hasGradient() || kind.kind == MemoryKind::working)
        out_ += std::string("<span data-kind=\"") + kind.style + "\" data-v=\"" + std::to_string(peak[static_cast<size_t>(kind.kind)]) + "\"><i class=\"" + kind.style + "\"></i>" + kind.name + " <b>" +
                bytesText(static_cast<double>(peak[static_cast<size_t>(kind.kind)])) + "</b></span>";
    out_ += "</div>\n<p class=\"note\">Numbers are those at the fullest of the " + groupedNumber(timeline_.commands) + " commands, number " + groupedNumber(command + 1) +
            ". Packed weights, inputs and outputs lie outside the arena. The strip below the axis tells forward work from backward.";
    if (!timeline_.loops.empty())
      out_ += " A loop is drawn once, under its bracket.";
    out_ += "</p>\n";
  }

  /// Values of the same size that come from the same place: the steps of a program that is unrolled.
  void saved() {
    struct Row {
      std::string name, source;
      int64_t bytes = 0, count = 0;
    };
    std::map<std::tuple<std::string, std::string, int64_t>, int64_t> counts;
    for (const json &tensor : entry_["saved"])
      ++counts[{tensor["name"].get<std::string>(), tensor["source"].get<std::string>(), tensor["bytes"].get<int64_t>()}];
    if (counts.empty())
      return;
    std::vector<Row> rows;
    for (auto &[key, count] : counts)
      rows.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), count});
    std::stable_sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) { return a.bytes * a.count > b.bytes * b.count; });
    out_ += "<details open><summary>Kept for the gradient: " + groupedNumber(static_cast<int64_t>(entry_["saved"].size())) + " tensors, " + bytesText(static_cast<double>(number("saved_bytes"))) +
            "</summary>\n<div class=\"wide\"><table class=\"sort saved\"><thead><tr>" + heads({"tensor", "count", "bytes each", "together", "source"}, {true, false, false, false, true}) + "</tr></thead><tbody>\n";
    int64_t left = 0, leftBytes = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      const Row &row = rows[i];
      if (i >= kMostRows) {
        left += row.count, leftBytes += row.bytes * row.count;
        continue;
      }
      out_ += "<tr>" + words(row.name) + cell(row.count, std::to_string(row.count)) + cell(row.bytes, bytesText(static_cast<double>(row.bytes))) +
              cell(row.bytes * row.count, bytesText(static_cast<double>(row.bytes * row.count))) + words(placeOf(row.source)) + "</tr>\n";
    }
    out_ += "</tbody></table></div>\n";
    if (left)
      out_ += "<p class=\"note\" data-key=\"smaller_bytes\" data-v=\"" + std::to_string(leftBytes) + "\">and " + groupedNumber(left) + " smaller ones, " + bytesText(static_cast<double>(leftBytes)) + " together</p>\n";
    out_ += "</details>\n";
  }

  void recomputed() {
    const json &regions = entry_["recomputed"];
    if (regions.empty())
      return;
    out_ += "<details open><summary>Computed again: " + groupedNumber(static_cast<int64_t>(regions.size())) + " regions, " + bytesText(static_cast<double>(number("recomputed_bytes"))) +
            "</summary>\n<div class=\"wide\"><table class=\"sort recomputed\"><thead><tr>" +
            heads({"from", "to", "launches", "bytes spared", "GFLOP", "source"}, {true, true, false, false, false, true}) + "</tr></thead><tbody>\n";
    for (const json &region : regions) {
      const int64_t launches = region["launches"], bytes = region["bytes"], flops = region["flops"];
      out_ += "<tr>" + words(region["from"]) + words(region["to"]) + cell(launches, std::to_string(launches)) + cell(bytes, bytesText(static_cast<double>(bytes))) + cell(flops, gigaText(flops)) +
              words(placeOf(region["source"])) + "</tr>\n";
    }
    out_ += "</tbody></table></div></details>\n";
  }

  static std::string heads(const std::vector<const char *> &titles, const std::vector<bool> &left) {
    std::string out;
    for (size_t i = 0; i < titles.size(); ++i)
      out += std::string("<th") + (left[i] ? " class=\"l\"" : "") + "><button>" + titles[i] + "</button></th>";
    return out;
  }

  struct Work {
    int64_t kernels = 0, launches = 0, flops = 0, executed = 0, bytes = 0;
  };
  std::string workCells(const Work &w) const {
    return cell(w.launches, groupedNumber(w.launches)) + cell(w.flops, gigaText(w.flops)) + cell(w.executed, gigaText(w.executed)) + cell(w.bytes, bytesText(static_cast<double>(w.bytes)));
  }
  double shareOf(int64_t executed) const { return static_cast<double>(executed) / static_cast<double>(std::max<int64_t>(number("flops_executed"), 1)); }

  void kernels() {
    std::map<std::string, Work> families;
    std::vector<const json *> rows;
    for (const json &kernel : entry_["kernel_table"]) {
      rows.push_back(&kernel);
      Work &family = families[kernel["family"]];
      ++family.kernels;
      family.launches += kernel["launches"].get<int64_t>(), family.flops += kernel["flops"].get<int64_t>();
      family.executed += kernel["flops_executed"].get<int64_t>(), family.bytes += kernel["bytes"].get<int64_t>();
    }
    std::vector<std::pair<std::string, Work>> byWork(families.begin(), families.end());
    std::stable_sort(byWork.begin(), byWork.end(), [](const auto &a, const auto &b) { return a.second.executed > b.second.executed; });
    out_ += "<h3>Kernels</h3>\n<div class=\"wide\"><table class=\"families\"><thead><tr><th>family</th><th>kernels</th><th>launches</th><th>GFLOP</th><th>executed</th><th>bytes moved</th><th class=\"l\">share of executed</th></tr></thead><tbody>\n";
    for (auto &[family, work] : byWork)
      out_ += "<tr>" + words(family) + cell(work.kernels, groupedNumber(work.kernels)) + workCells(work) + "<td class=\"l bar\" style=\"--w:" + shortNumber(100 * shareOf(work.executed)) + "%\">" +
              percentText(shareOf(work.executed)) + "</td></tr>\n";
    out_ += "</tbody></table></div>\n";
    std::stable_sort(rows.begin(), rows.end(), [](const json *a, const json *b) { return (*a)["flops_executed"].get<int64_t>() > (*b)["flops_executed"].get<int64_t>(); });
    out_ += "<details" + std::string(rows.size() <= 60 ? " open" : "") + "><summary>All " + groupedNumber(static_cast<int64_t>(rows.size())) + " kernels</summary>\n<div class=\"wide\"><table class=\"sort kernels\"><thead><tr>" +
            heads({"kernel", "family", "launches", "GFLOP", "executed", "bytes moved", "share", "what it does", "first used at"}, {true, true, false, false, false, false, false, true, true}) + "</tr></thead><tbody>\n";
    for (const json *row : rows) {
      const json &k = *row;
      const Work work{1, k["launches"], k["flops"], k["flops_executed"], k["bytes"]};
      out_ += "<tr><td><code>" + htmlEscaped(k["name"].get<std::string>()) + "</code></td>" + words(k["family"]) + workCells(work) + cell(work.executed, percentText(shareOf(work.executed))) + words(k["what"], "l s") +
              words(k["source"], "l s") + "</tr>\n";
    }
    out_ += "</tbody></table></div></details>\n";
    if (std::any_of(timeline_.loops.begin(), timeline_.loops.end(), [](const TimelineLoop &loop) { return !loop.countIsKnown; }))
      out_ += "<p class=\"note\">The body of a loop whose count is known at run time only is counted once in launches, FLOPs and bytes.</p>\n";
  }

  std::string name_;
  const json &entry_;
  int64_t budget_;
  Timeline timeline_;
  std::string out_;
};

} // namespace

std::string planPage(mlir::ModuleOp planned, const json &report, const PlanPageFacts &facts) {
  std::string page = htmlBegin("Plan of " + facts.model, std::string(kChartStyle) + kStyle) + "<h1>Plan of " + htmlEscaped(facts.model) + "</h1>\n";
  page += "<p class=\"note\">Everything is known before anything runs. FLOPs of the algorithm are those of the computation as it is written; executed ones are what the kernels do.</p>\n";
  std::vector<plan::ProgramOp> programs(planned.getOps<plan::ProgramOp>().begin(), planned.getOps<plan::ProgramOp>().end());
  if (programs.size() > 1) {
    page += "<nav>";
    for (plan::ProgramOp program : programs)
      page += "<a href=\"#" + htmlEscaped(program.getSymName().str()) + "\">" + htmlEscaped(program.getSymName().str()) + "</a>";
    page += "</nav>\n";
  }
  for (plan::ProgramOp program : programs)
    page += EntryPage(program, report[program.getSymName().str()], facts.budget).run();
  return page + "<script>" + kSort + "</script>\n" + htmlEnd();
}

} // namespace hb::tool
