// hbc compile: options to phases.
#include "tools/hbc/Commands.h"
#include "tools/hbc/ModelOptions.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

#include <iostream>

namespace hb::tool {
namespace {

struct CompileOptions {
  ModelOptions model;
  std::string output, math = "strict", stopAfter, dumpFolder, memoryBudget, remarks, truncation, timeReport, memoryReport, stats;
  std::vector<std::string> targets;
  int steps = 0, gradSteps = 0, lvSamples = 0;
  bool stopGradInput = false;
};

void print(mlir::ModuleOp module, const std::string &output) {
  // Locations name the module path and the line of the program; they are half of what there is to see.
  mlir::OpPrintingFlags flags;
  flags.enableDebugInfo(true, false);
  flags.elideLargeElementsAttrs(64);
  if (output.empty() || output == "-") {
    module->print(llvm::outs(), flags);
    llvm::outs().flush();
    return;
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, flags);
  writeFileAtomically(output, text);
}

int compile(CompileOptions &options) {
  options.model.finish();
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticSink sink;
  mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, options.model.import, sink);
  if (!module)
    return reportAll(sink);
  if (options.stopAfter == "import") {
    print(*module, options.output);
    return 0;
  }
  // The phases after import (lowering/Pipeline.h) start here.
  throw Error(712, "hbc compile", "--stop-after import", options.stopAfter.empty() ? "a compilation to the end" : "--stop-after " + options.stopAfter, "");
}

} // namespace

void addCompile(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand("compile", "compile a model into a module for hb-rt");
  auto options = std::make_shared<CompileOptions>();
  command->add_option("MODEL", options->model.import.model, "pipeline folder, component folder or .hb file")->required();
  command->add_option("-o,--output", options->output, "the module to write");
  command->add_option("--target", options->targets, "x86-64[,cpu=NAME], cuda:sm_80, vulkan1.3 (repeatable)")->allow_extra_args(false);
  options->model.add(*command);
  command->add_option("--math", options->math, "strict or fast")->check(CLI::IsMember({"strict", "fast"}));
  command->add_option("--steps", options->steps, "denoising steps of the training entry");
  command->add_option("--grad-steps", options->gradSteps, "last steps that get a gradient");
  command->add_option("--truncation", options->truncation, "fixed or random:LO-HI");
  command->add_option("--lv-samples", options->lvSamples, "samples of the low-variance estimator");
  command->add_flag("--stop-grad-input", options->stopGradInput, "no gradient through the network's input");
  command->add_option("--memory-budget", options->memoryBudget, "e.g. 20GiB: recompute until the plan fits");
  command->add_option("--stop-after", options->stopAfter, "print the program after this phase");
  command->add_option("--dump-intermediates", options->dumpFolder, "write the program after every phase into this folder");
  command->add_option("--time-report", options->timeReport, "[=json] where the time went")->expected(0, 1)->default_str("text");
  command->add_option("--memory-report", options->memoryReport, "[=json] what the memory is for")->expected(0, 1)->default_str("text");
  command->add_option("--stats", options->stats, "=json: numbers of ops, kernels, FLOPs")->expected(0, 1)->default_str("text");
  command->add_option("--remarks", options->remarks, "[=REGEX] what the compiler decided")->expected(0, 1)->default_str(".*");
  command->callback([options, &action] { action = [options] { return compile(*options); }; });
}

} // namespace hb::tool
