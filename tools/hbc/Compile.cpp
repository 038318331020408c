// hbc compile: options to phases.
#include "tools/hbc/Commands.h"
#include "tools/hbc/CompileReport.h"
#include "tools/hbc/PhaseDiagnostics.h"
#include "tools/hbc/PlanOptions.h"

#include "lowering/Dump.h"
#include "lowering/Pipeline.h"
#include "lowering/plan/Reports.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <chrono>
#include <iostream>

namespace hb::tool {
namespace {

struct CompileOptions {
  PlanOptions plan;
  std::string output, stopAfter, dumpFolder, remarks, timeReport, memoryReport, stats;
  std::vector<std::string> arguments; ///< the command line, recorded in the module
};

/// The options that were given, as one would type them; the module records them.
std::vector<std::string> flagTexts(const CLI::App &command) {
  std::vector<std::string> texts;
  for (const CLI::Option *option : command.get_options())
    for (const std::string &value : option->results())
      if (option->get_name().starts_with("--"))
        texts.push_back(option->get_name() + "=" + value);
  return texts;
}

void print(mlir::ModuleOp module, const std::string &output) {
  if (output.empty() || output == "-") {
    llvm::outs() << programText(module);
    llvm::outs().flush();
    return;
  }
  writeFileAtomically(output, programText(module));
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int compile(CompileOptions &options) {
  // A phase that fails leaves its input and its passes beside the output: hb-opt --run-reproducer runs them again.
  std::string reproducer = options.output.empty() || options.output == "-" ? "" : options.output + ".reproducer.mlir";
  PipelineOptions pipeline{options.stopAfter, options.dumpFolder, reproducer, options.plan.parsedTargets()};
  const std::vector<std::string> &phases = phaseNames();
  if (!options.stopAfter.empty() && std::find(phases.begin(), phases.end(), options.stopAfter) == phases.end())
    throw Error(714, "--stop-after", llvm::join(phases, ", "), options.stopAfter, "");
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticSink sink;
  PackageInfo info;
  double start = now();
  mlir::OwningOpRef<mlir::ModuleOp> module = startModule(context, options.plan, options.arguments, sink, info);
  if (!module)
    return reportAll(sink);
  PipelineResult result;
  result.times.push_back({"import", now() - start});
  PhaseDiagnostics diagnostics(context);
  if (mlir::failed(runPipeline(std::move(module), pipeline, result))) {
    if (!reproducer.empty() && isFile(reproducer))
      std::cerr << "note: " << reproducer << " holds the program at that phase; run it with hb-opt --run-reproducer\n";
    return static_cast<int>(diagnostics.exitCode());
  }
  // Reports are of the first target; every target computes the same.
  mlir::ModuleOp planned = *result.targets.front().module;
  if (!options.stopAfter.empty() && options.stopAfter != "package") {
    print(planned, options.output);
    return 0;
  }
  if (options.output.empty())
    throw Error(715, "hbc compile", "-o OUT.hbm", "no output", "");
  if (int64_t budget = options.plan.budget())
    printBudget(planned, budget);
  if (options.plan.math == "fast")
    printFastMath(planned);
  if (!options.remarks.empty())
    printRemarks(planned, options.remarks);
  start = now();
  std::vector<PackageTarget> parts;
  for (TargetProgram &target : result.targets)
    parts.push_back({target.name, *target.module, target.code});
  writeModule(parts, info, options.output);
  result.times.push_back({"package", now() - start});
  if (!options.timeReport.empty())
    printReport(timeReport(result), options.timeReport);
  if (!options.memoryReport.empty())
    printReport(memoryReport(planned), options.memoryReport);
  if (!options.stats.empty())
    printReport(statsReport(planned, result.targets.front().code), options.stats);
  return 0;
}

} // namespace

void addCompile(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand("compile", "compile a model into a module for hb-rt");
  auto options = std::make_shared<CompileOptions>();
  command->add_option("MODEL", options->plan.model.import.model, "pipeline folder, component folder or .hb file")->required();
  command->add_option("-o,--output", options->output, "the module to write");
  options->plan.add(*command);
  command->add_option("--stop-after", options->stopAfter, "print the program after this phase");
  command->add_option("--dump-intermediates", options->dumpFolder, "write the program after every phase into this folder");
  command->add_option("--time-report", options->timeReport, "[=json] where the time went")->expected(0, 1)->default_str("text");
  command->add_option("--memory-report", options->memoryReport, "[=json] what the memory is for")->expected(0, 1)->default_str("text");
  command->add_option("--stats", options->stats, "=json: numbers of ops, kernels, FLOPs")->expected(0, 1)->default_str("text");
  command->add_option("--remarks", options->remarks, "[=REGEX] what the compiler decided")->expected(0, 1)->default_str(".*");
  command->callback([options, command, &action] {
    options->arguments = flagTexts(*command);
    action = [options] { return compile(*options); };
  });
}

} // namespace hb::tool
