#include "tools/hbc/CompileReport.h"

#include "lowering/MemoryBudget.h"
#include "lowering/plan/Remarks.h"
#include "lowering/plan/Reports.h"
#include "runtime/base/Error.h"

#include <cstdio>
#include <regex>

namespace hb::tool {
namespace {

/// Nested objects as indented `key: value` lines.
void printText(const nlohmann::json &value, int indent) {
  for (auto &[key, item] : value.items()) {
    std::printf("%*s%s:", indent, "", key.c_str());
    if (item.is_structured()) {
      std::printf("\n");
      printText(item, indent + 2);
    } else {
      std::printf(" %s\n", item.is_string() ? item.get_ref<const std::string &>().c_str() : item.dump().c_str());
    }
  }
}

} // namespace

nlohmann::json timeReport(const PipelineResult &result) {
  nlohmann::json phases = nlohmann::json::object(), kernels = nlohmann::json::array();
  double total = 0;
  for (const PhaseTime &time : result.times) {
    phases[time.name] = time.seconds;
    total += time.seconds;
  }
  for (const EmitReport::Kernel &kernel : result.emitted.kernels)
    kernels.push_back({{"name", kernel.symbol}, {"family", kernel.family}, {"cpu", kernel.cpu}, {"s", kernel.times.total()}, {"object_bytes", kernel.objectBytes}});
  return {{"total_s", total}, {"phases", phases}, {"kernels", kernels}};
}

void printRemarks(mlir::ModuleOp planned, const std::string &pattern) {
  std::regex wanted;
  try {
    wanted.assign(pattern);
  } catch (const std::regex_error &) {
    throw Error(716, "--remarks", "a regular expression", pattern, "write it as in grep -E");
  }
  for (const Remark &remark : describeKernels(planned)) {
    std::string line = "remark: " + remark.source + ": " + remark.text;
    if (std::regex_search(line, wanted))
      std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void printFastMath(mlir::ModuleOp planned) {
  FastMathReport report = fastMathReport(planned);
  if (report.uses.empty())
    std::fprintf(stderr, "note: --math fast: none of %zu kernels makes use of it; the code is that of --math strict\n", report.kernels);
  for (auto &[use, names] : report.uses) {
    std::string list;
    for (const std::string &name : names)
      list += (list.empty() ? "" : ", ") + name;
    std::fprintf(stderr, "note: --math fast: %zu of %zu kernels make use of it, by %s: %s\n", names.size(), report.kernels, use.c_str(), list.c_str());
  }
}

void printBudget(mlir::ModuleOp planned, int64_t budget) {
  if (planned->hasAttr(kSharedWeightsAttribute))
    std::fprintf(stderr, "note: --memory-budget: what runs without a gradient is not fused further than what runs with one, so that both read the same packed weights\n");
  if (planned->hasAttr(kDirectConvolutionsAttribute))
    std::fprintf(stderr, "note: --memory-budget: 3x3 convolutions are computed directly, more slowly and with other rounding, because Winograd's transformed weights would not fit\n");
  nlohmann::json memory = memoryReport(planned), stats = statsReport(planned, {});
  for (auto &[entry, numbers] : memory.items()) {
    const int64_t arena = numbers["peak_bytes"], weights = numbers["weights_bytes"], again = stats[entry]["flops_recompute"];
    const double all = stats[entry]["flops_forward"].get<double>() + stats[entry]["flops_backward"].get<double>();
    if (again)
      std::fprintf(stderr, "note: --memory-budget: %s needs %lld of %lld bytes; for that, %.1f %% of its floating point operations are done once more\n", entry.c_str(),
                   static_cast<long long>(arena + weights), static_cast<long long>(budget), 100.0 * static_cast<double>(again) / all);
    else
      std::fprintf(stderr, "note: --memory-budget: %s needs %lld of %lld bytes; nothing is computed again\n", entry.c_str(), static_cast<long long>(arena + weights),
                   static_cast<long long>(budget));
  }
}

void printReport(const nlohmann::json &report, const std::string &form) {
  if (form == "json")
    std::printf("%s\n", report.dump().c_str());
  else
    printText(report, 0);
}

} // namespace hb::tool
