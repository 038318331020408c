// hbc plan: what a model will need and do, before any code is made for it.
#include "tools/hbc/Commands.h"
#include "tools/hbc/CompileReport.h"
#include "tools/hbc/PhaseDiagnostics.h"
#include "tools/hbc/PlanOptions.h"
#include "tools/hbc/PlanPage.h"

#include "lowering/Pipeline.h"
#include "lowering/emit/x86/Executed.h"
#include "lowering/plan/Reports.h"
#include "runtime/base/AtomicFile.h"
#include "runtime/base/HtmlPage.h"

#include "mlir/IR/MLIRContext.h"

#include <cstdio>

namespace hb::tool {
namespace {

struct Options {
  PlanOptions plan;
  std::string html;
  bool json = false;
};

void printSummary(const nlohmann::json &report, int64_t budget) {
  for (auto &[name, entry] : report.items()) {
    auto number = [&entry = entry](const char *key) { return entry[key].get<double>(); };
    std::printf("%s\n", name.c_str());
    std::printf("  memory       arena %s (lower bound %s) + packed weights %s = %s%s\n", bytesText(number("peak_bytes")).c_str(), bytesText(number("lower_bound_bytes")).c_str(),
                bytesText(number("weights_bytes")).c_str(), bytesText(number("peak_bytes") + number("weights_bytes")).c_str(), budget ? (" of a budget of " + bytesText(static_cast<double>(budget))).c_str() : "");
    if (!entry["saved"].empty() || !entry["recomputed"].empty())
      std::printf("  gradient     %s in %zu tensors are kept for it, %s are computed again\n", bytesText(number("saved_bytes")).c_str(), entry["saved"].size(), bytesText(number("recomputed_bytes")).c_str());
    std::printf("  work         %s launches of %s kernels\n", groupedNumber(entry["launches"].get<int64_t>()).c_str(), groupedNumber(entry["kernels"].get<int64_t>()).c_str());
    std::printf("  GFLOP        %12s %12s\n", "algorithm", "executed");
    for (const char *part : {"forward", "backward", "recompute"})
      if (number((std::string("flops_") + part).c_str()) > 0)
        std::printf("    %-10s %12.3f %12.3f\n", part, number((std::string("flops_") + part).c_str()) * 1e-9, number((std::string("flops_executed_") + part).c_str()) * 1e-9);
  }
}

int plan(Options &options) {
  PipelineOptions pipeline{"plan", "", "", options.plan.parsedTargets()};
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticSink sink;
  PackageInfo info;
  mlir::OwningOpRef<mlir::ModuleOp> module = startModule(context, options.plan, {}, sink, info);
  if (!module)
    return reportAll(sink);
  PipelineResult result;
  PhaseDiagnostics diagnostics(context);
  if (mlir::failed(runPipeline(std::move(module), pipeline, result)))
    return static_cast<int>(diagnostics.exitCode());
  // One target is described; its executed operations are known for x86-64.
  mlir::ModuleOp planned = *result.targets.front().module;
  if (!pipeline.targets.front().x86.empty())
    x86::countExecuted(planned, pipeline.targets.front().x86);
  const int64_t budget = options.plan.budget();
  if (budget)
    printBudget(planned, budget);
  if (options.plan.math == "fast")
    printFastMath(planned);
  nlohmann::json report = planReport(planned);
  if (!options.html.empty())
    writeFileAtomically(options.html, planPage(planned, report, {info.modelPath, budget}));
  if (options.json)
    std::printf("%s\n", report.dump().c_str());
  else
    printSummary(report, budget);
  return 0;
}

} // namespace

void addPlan(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand("plan", "say what a model will need and do: memory, what is kept and computed again, kernels; nothing is compiled");
  auto options = std::make_shared<Options>();
  command->add_option("MODEL", options->plan.model.import.model, "pipeline folder, component folder or .hb file")->required();
  options->plan.add(*command);
  command->add_option("--html", options->html, "write one page with memory over time, tensors and kernels to this file");
  command->add_flag("--json", options->json, "print one JSON object");
  command->callback([options, &action] { action = [options] { return plan(*options); }; });
}

} // namespace hb::tool
