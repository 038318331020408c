// hbc compile: options to phases.
#include "tools/hbc/Commands.h"
#include "tools/hbc/CompileReport.h"
#include "tools/hbc/ModelOptions.h"
#include "tools/hbc/PhaseDiagnostics.h"

#include "lowering/Dump.h"
#include "lowering/Pipeline.h"
#include "lowering/kernels/FastMath.h"
#include "lowering/MemoryBudget.h"
#include "lowering/kernels/NarrowStorage.h"
#include "lowering/package/ModelFacts.h"
#include "lowering/plan/Reports.h"
#include "runtime/formats/ModelConfig.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <utility>

namespace hb::tool {
namespace {

struct CompileOptions {
  ModelOptions model;
  std::string output, math = "strict", stopAfter, dumpFolder, memoryBudget, remarks, timeReport, memoryReport, stats;
  std::vector<std::string> targets, arguments; ///< arguments: the command line, recorded in the module
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

/// What the training entry was compiled for, as the trainer reads it (docs/module-format.md, "training").
nlohmann::json trainingFacts(const ImportOptions &import) {
  nlohmann::json facts = {{"steps", import.steps}, {"grad_steps", import.gradSteps}, {"truncation", "fixed"}, {"lv_samples", import.lvSamples},
                          {"stop_grad_input", import.stopGradInput}, {"lora_dropout", import.loraDropout}, {"kl", import.kl}};
  if (import.truncation)
    facts["truncation"] = {import.truncation->first, import.truncation->second};
  return facts;
}

void print(mlir::ModuleOp module, const std::string &output) {
  if (output.empty() || output == "-") {
    llvm::outs() << programText(module);
    llvm::outs().flush();
    return;
  }
  writeFileAtomically(output, programText(module));
}

/// Flags of later parts of the contract: accepted on the command line, refused here rather than ignored.
void requireSupported(const CompileOptions &options) {
  auto refuse = [](const char *flag, const std::string &found) { throw Error(712, flag, "an option this version has", found, "leave it out"); };
  for (const std::string &entry : options.model.import.entries)
    if (options.model.import.dtype != "f32" && (entry.ends_with("_vjp") || entry.ends_with("_and_grad")))
      refuse("--dtype with --entry", options.model.import.dtype + " with " + entry);
}

/// `generate` runs the encoders too: they are compiled with it, under the names import gives them.
void addEncoders(ImportOptions &import) {
  if (std::find(import.entries.begin(), import.entries.end(), "generate") == import.entries.end() || !isPipelineFolder(import.model))
    return;
  PipelineIndex index = readPipelineIndex(import.model);
  static constexpr std::pair<const char *, const char *> kEncoders[] = {{"text_encoder", "text_encode"}, {"text_encoder_2", "text_encode"}, {"image_encoder", "image_encode"}};
  for (auto &[component, entry] : kEncoders) {
    std::string name = std::string(component) + "." + entry;
    if (index.find(component) && std::find(import.entries.begin(), import.entries.end(), name) == import.entries.end())
      import.entries.push_back(name);
  }
}

/// Variants from the plainest to the widest: the run time takes the last one the machine can execute.
std::vector<x86::X86Target> parseTargets(std::vector<std::string> specs) {
  if (specs.empty())
    specs = {"x86-64"};
  std::vector<x86::X86Target> targets;
  for (const std::string &spec : specs)
    targets.push_back(x86::parseTarget(spec));
  std::stable_sort(targets.begin(), targets.end(), [](const x86::X86Target &a, const x86::X86Target &b) { return a.vectorLanes < b.vectorLanes; });
  return targets;
}

/// Asks for storage in `dtype`, except for networks whose config says that they exceed the range of float16 (diffusers' `force_upcast`, true unless said).
void storeAs(mlir::ModuleOp module, const std::string &dtype, const std::vector<PackageScope> &scopes) {
  mlir::Builder b(module.getContext());
  llvm::SmallVector<mlir::Attribute> wide;
  for (const PackageScope &scope : scopes) {
    if (dtype != "f16" || !isFile(joinPath(scope.path, "config.json")))
      continue;
    ModelConfig config = ModelConfig::read(scope.path);
    if (config.root().string("_class_name", "") != "AutoencoderKL" || !config.root().boolean("force_upcast", true))
      continue;
    std::cerr << "note: --dtype f16: the activations of " << (scope.name.empty() ? "the network" : printable(scope.name)) << " stay f32, as force_upcast in its config asks\n";
    wide.push_back(b.getStringAttr(scope.name));
  }
  module->setAttr(kDtypeAttribute, b.getStringAttr(dtype));
  if (!wide.empty())
    module->setAttr(kWideScopesAttribute, b.getArrayAttr(wide));
}

/// "20GiB", "500 MB", "1.5GiB": a number of bytes.
int64_t parseBytes(const std::string &flag, const std::string &text) {
  static constexpr std::pair<const char *, double> kUnits[] = {{"", 1},          {"B", 1},           {"KB", 1e3},       {"MB", 1e6},      {"GB", 1e9},  {"TB", 1e12},
                                                               {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size() - end);
  unit.erase(0, unit.find_first_not_of(' '));
  for (auto [name, factor] : kUnits)
    if (error == std::errc() && unit == name && number * factor >= 1 && number * factor < 0x1p62)
      return static_cast<int64_t>(number * factor);
  throw Error(717, flag, "a number of bytes, with or without one of KB MB GB TB KiB MiB GiB TiB", printable(text), "write it as in --memory-budget 20GiB");
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int compile(CompileOptions &options) {
  options.model.finish();
  requireSupported(options);
  // A phase that fails leaves its input and its passes beside the output: hb-opt --run-reproducer runs them again.
  std::string reproducer = options.output.empty() || options.output == "-" ? "" : options.output + ".reproducer.mlir";
  PipelineOptions pipeline{options.stopAfter, options.dumpFolder, reproducer, parseTargets(options.targets)};
  // The network is imported as it is, in f32: where values are stored narrow is decided when its kernels are known.
  const std::string dtype = std::exchange(options.model.import.dtype, "f32");
  const std::vector<std::string> &phases = phaseNames();
  if (!options.stopAfter.empty() && std::find(phases.begin(), phases.end(), options.stopAfter) == phases.end())
    throw Error(714, "--stop-after", llvm::join(phases, ", "), options.stopAfter, "");
  ImportOptions &import = options.model.import;
  const int64_t budget = options.memoryBudget.empty() ? 0 : parseBytes("--memory-budget", options.memoryBudget);
  addEncoders(import);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticSink sink;
  double start = now();
  mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, import, sink);
  if (!module)
    return reportAll(sink);
  if (options.math == "fast")
    (*module)->setAttr(kMathAttribute, mlir::StringAttr::get(&context, options.math));
  PackageInfo info = modelFacts(*module, options.arguments, import.loraTargets);
  if (mlir::SymbolTable::lookupSymbolIn(*module, "hummingbird_loss_and_grad"))
    info.training = trainingFacts(import);
  if (!options.memoryBudget.empty())
    (*module)->setAttr(kBudgetAttribute, mlir::Builder(&context).getI64IntegerAttr(budget));
  if (dtype != "f32")
    storeAs(*module, dtype, info.scopes);
  if (info.modelKind == "pipeline")
    info.pipeline = pipelineSettings(import.model), addRewardSettings(info.pipeline, import.rewards);
  else if (info.modelKind == "component")
    info.pipeline = componentSettings(import.model);
  PipelineResult result;
  result.times.push_back({"import", now() - start});
  PhaseDiagnostics diagnostics(context);
  if (mlir::failed(runPipeline(*module, pipeline, result))) {
    if (!reproducer.empty() && isFile(reproducer))
      std::cerr << "note: " << reproducer << " holds the program at that phase; run it with hb-opt --run-reproducer\n";
    return static_cast<int>(diagnostics.exitCode());
  }
  if (!options.stopAfter.empty() && options.stopAfter != "package") {
    print(*module, options.output);
    return 0;
  }
  if (options.output.empty())
    throw Error(715, "hbc compile", "-o OUT.hbm", "no output", "");
  if (!options.memoryBudget.empty())
    printBudget(*module, budget);
  if (options.math == "fast")
    printFastMath(*module);
  if (!options.remarks.empty())
    printRemarks(*module, options.remarks);
  start = now();
  writeModule(PackageTarget{"x86-64", *module, result.code}, info, options.output);
  result.times.push_back({"package", now() - start});
  if (!options.timeReport.empty())
    printReport(timeReport(result), options.timeReport);
  if (!options.memoryReport.empty())
    printReport(memoryReport(*module), options.memoryReport);
  if (!options.stats.empty())
    printReport(statsReport(*module, result.code), options.stats);
  return 0;
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
  command->add_option("--memory-budget", options->memoryBudget, "e.g. 20GiB: recompute until arena and packed weights of every entry fit, or fail and say by how much");
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
