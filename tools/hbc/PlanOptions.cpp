#include "tools/hbc/PlanOptions.h"

#include "lowering/MemoryBudget.h"
#include "lowering/kernels/FastMath.h"
#include "lowering/kernels/NarrowStorage.h"
#include "lowering/package/ModelFacts.h"
#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/formats/ModelConfig.h"

#include "mlir/IR/Builders.h"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <utility>

namespace hb::tool {
namespace {

/// What the training entry was compiled for, as the trainer reads it (docs/module-format.md, "training").
nlohmann::json trainingFacts(const ImportOptions &import) {
  nlohmann::json facts = {{"steps", import.steps}, {"grad_steps", import.gradSteps}, {"truncation", "fixed"}, {"lv_samples", import.lvSamples},
                          {"stop_grad_input", import.stopGradInput}, {"lora_dropout", import.loraDropout}, {"kl", import.kl}};
  if (import.truncation)
    facts["truncation"] = {import.truncation->first, import.truncation->second};
  return facts;
}

/// Flags of later parts of the contract: accepted on the command line, refused here rather than ignored.
void requireSupported(const PlanOptions &options) {
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

} // namespace

void PlanOptions::add(CLI::App &command) {
  command.add_option("--target", targets, "x86-64[,cpu=NAME], cuda:sm_80, vulkan1.3 (repeatable)")->allow_extra_args(false);
  model.add(command);
  command.add_option("--math", math, "strict or fast")->check(CLI::IsMember({"strict", "fast"}));
  command.add_option("--memory-budget", memoryBudget, "e.g. 20GiB: recompute until arena and packed weights of every entry fit, or fail and say by how much");
}

int64_t PlanOptions::budget() const { return memoryBudget.empty() ? 0 : parseBytes("--memory-budget", memoryBudget); }

std::vector<CompileTarget> PlanOptions::parsedTargets() const {
  std::vector<std::string> specs = targets;
  if (specs.empty())
    specs = {"x86-64"};
  std::vector<CompileTarget> parsed;
  auto named = [&](const std::string &name) -> CompileTarget & {
    auto known = std::find_if(parsed.begin(), parsed.end(), [&](const CompileTarget &target) { return target.name == name; });
    return known != parsed.end() ? *known : parsed.emplace_back(CompileTarget{name, {}, {}});
  };
  for (const std::string &spec : specs) {
    if (spec.starts_with("cuda")) {
      nvvm::CudaTarget target = nvvm::parseTarget(spec);
      named(target.name()).cuda = target;
    } else {
      named("x86-64").x86.push_back(x86::parseTarget(spec));
    }
  }
  for (CompileTarget &target : parsed)
    std::stable_sort(target.x86.begin(), target.x86.end(), [](const x86::X86Target &a, const x86::X86Target &b) { return a.vectorLanes < b.vectorLanes; });
  return parsed;
}

mlir::OwningOpRef<mlir::ModuleOp> startModule(mlir::MLIRContext &context, PlanOptions &options, std::vector<std::string> flags, DiagnosticSink &sink, PackageInfo &info) {
  options.model.finish();
  requireSupported(options);
  ImportOptions &import = options.model.import;
  // The network is imported as it is, in f32: where values are stored narrow is decided when its kernels are known.
  const std::string dtype = std::exchange(import.dtype, "f32");
  const int64_t budget = options.budget();
  addEncoders(import);
  mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, import, sink);
  if (!module)
    return module;
  if (options.math == "fast")
    (*module)->setAttr(kMathAttribute, mlir::StringAttr::get(&context, options.math));
  info = modelFacts(*module, std::move(flags), import.loraTargets);
  if (mlir::SymbolTable::lookupSymbolIn(*module, "hummingbird_loss_and_grad"))
    info.training = trainingFacts(import);
  if (budget)
    (*module)->setAttr(kBudgetAttribute, mlir::Builder(&context).getI64IntegerAttr(budget));
  if (dtype != "f32")
    storeAs(*module, dtype, info.scopes);
  if (info.modelKind == "pipeline")
    info.pipeline = pipelineSettings(import.model), addRewardSettings(info.pipeline, import.rewards);
  else if (info.modelKind == "component")
    info.pipeline = componentSettings(import.model);
  return module;
}

} // namespace hb::tool
