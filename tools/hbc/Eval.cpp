// hbc eval: runs an entry in the float64 reference evaluator, after import or after a later phase of nn.
#include "tools/hbc/Commands.h"
#include "tools/hbc/EvalAdapters.h"
#include "tools/hbc/ModelOptions.h"

#include "dialects/nn/Nn.h"
#include "dialects/nn/reference/Evaluator.h"
#include "lowering/differentiate/Passes.h"
#include "lowering/fuse/Passes.h"
#include "lowering/simplify/Passes.h"
#include "runtime/base/Error.h"
#include "runtime/formats/Checkpoint.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <cstring>
#include <filesystem>

namespace hb::tool {
namespace {

struct EvalOptions {
  ModelOptions model;
  std::string entry, inputs, outputs, after = "import";
  std::vector<std::string> adapters;
};

/// Elements as doubles, without the detour over float where that would lose something.
std::vector<double> readDoubles(const SafetensorsFile &file, const TensorInfo &info) {
  size_t count = info.elementCount();
  std::vector<double> values(count);
  std::span<const std::byte> bytes = file.data(info);
  if (info.dtype == DType::F64) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
  } else if (info.dtype == DType::I64) {
    for (size_t i = 0; i < count; ++i) {
      int64_t value;
      std::memcpy(&value, bytes.data() + i * sizeof(value), sizeof(value));
      values[i] = static_cast<double>(value);
    }
  } else {
    std::vector<float> floats = file.readFloats(info);
    std::copy(floats.begin(), floats.end(), values.begin());
  }
  return values;
}

/// The checkpoints of the module's scopes, opened when the first parameter of one is read.
class ScopeWeights {
public:
  ScopeWeights(mlir::ModuleOp module, std::string folder, const std::vector<std::string> &adapters)
      : folder_(std::move(folder)), adapters_(adapterFactors(module, adapters)) {
    if (auto scopes = module->getAttrOfType<mlir::ArrayAttr>("nn.scopes"))
      for (auto scope : scopes.getAsRange<mlir::DictionaryAttr>())
        paths_[scope.getAs<mlir::StringAttr>("name").str()] = scope.getAs<mlir::StringAttr>("path").str();
  }

  std::vector<double> read(llvm::StringRef scope, llvm::StringRef key, mlir::RankedTensorType type) {
    if (scope.starts_with("adapter:")) {
      auto factors = adapters_.find({scope.str(), key.str()});
      return factors == adapters_.end() ? std::vector<double>() : factors->second;
    }
    auto found = open_.find(scope.str());
    if (found == open_.end())
      found = open_.emplace(scope.str(), Checkpoint::open(pathOf(scope.str()))).first;
    const Checkpoint &checkpoint = found->second;
    const CheckpointTensor &tensor = checkpoint.require(key.str(), std::vector<int64_t>(type.getShape()));
    return readDoubles(checkpoint.files()[tensor.file], *tensor.info);
  }

private:
  std::string pathOf(const std::string &scope) const {
    if (!folder_.empty())
      return scope.empty() ? folder_ : (std::filesystem::path(folder_) / scope).string();
    auto found = paths_.find(scope);
    if (found == paths_.end())
      throw Error(811, "scope \"" + scope + "\"", "--weights DIR", "a module that does not say where its weights are", "");
    return found->second;
  }

  std::string folder_;
  std::map<std::pair<std::string, std::string>, std::vector<double>> adapters_;
  std::map<std::string, std::string> paths_;
  std::map<std::string, Checkpoint> open_;
};

std::string nameOf(mlir::DictionaryAttr attributes, unsigned index, const char *fallback) {
  if (auto name = attributes ? attributes.getAs<mlir::StringAttr>("nn.name") : mlir::StringAttr())
    return name.str();
  return fallback + std::to_string(index);
}

std::vector<nn::Tensor> readInputs(mlir::func::FuncOp function, const std::string &path) {
  SafetensorsFile file = SafetensorsFile::open(path);
  std::vector<nn::Tensor> arguments;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    std::string name = nameOf(function.getArgAttrDict(i), i, "arg");
    const TensorInfo *info = file.find(name);
    auto type = mlir::cast<mlir::RankedTensorType>(function.getArgument(i).getType());
    std::vector<int64_t> shape(type.getShape());
    if (auto fallback = function.getArgAttrOfType<mlir::FloatAttr>(i, "nn.default"); fallback && !info) {
      arguments.emplace_back(shape, std::vector<double>{fallback.getValueAsDouble()});
      continue;
    }
    if (!info || info->shape != shape) {
      std::string expected;
      llvm::raw_string_ostream(expected) << type;
      throw Error(813, path + ":" + name, expected, info ? "another shape" : "no such tensor", "give every input with the entry's shape");
    }
    arguments.emplace_back(shape, readDoubles(file, *info));
  }
  return arguments;
}

/// Floats are written as F64: what the evaluator computed, not rounded. Ids stay I64.
void writeOutputs(mlir::func::FuncOp function, const std::vector<nn::Tensor> &results, const std::string &path) {
  std::vector<std::vector<int64_t>> ids(results.size());
  std::vector<TensorView> views;
  for (unsigned i = 0; i < results.size(); ++i) {
    TensorView view{nameOf(function.getResultAttrDict(i), i, "result"), DType::F64, results[i].shape, results[i].data()};
    if (mlir::isa<mlir::IntegerType>(mlir::cast<mlir::RankedTensorType>(function.getResultTypes()[i]).getElementType())) {
      ids[i].assign(results[i].data(), results[i].data() + results[i].size());
      view.dtype = DType::I64;
      view.data = ids[i].data();
    }
    views.push_back(view);
  }
  writeSafetensors(path, views);
}

int eval(EvalOptions &options) {
  options.model.finish();
  options.model.import.entries = {options.entry};
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<grad::GradDialect, nn::NnDialect, mlir::func::FuncDialect>();
  DiagnosticSink sink;
  bool text = std::filesystem::path(options.model.import.model).extension() == ".mlir";
  mlir::OwningOpRef<mlir::ModuleOp> module = text ? mlir::parseSourceFile<mlir::ModuleOp>(options.model.import.model, &context)
                                                  : importModel(context, options.model.import, sink);
  if (!module)
    return text ? static_cast<int>(ExitCode::BadFile) : reportAll(sink);
  mlir::PassManager passes(&context, mlir::ModuleOp::getOperationName());
  if (options.after != "import")
    buildSimplifyPhase(passes);
  if (options.after == "fuse")
    buildFusePhase(passes);
  // The evaluator computes gradients as the ops that differentiation makes of them.
  buildDifferentiatePhase(passes);
  if (mlir::failed(passes.run(*module)))
    return static_cast<int>(ExitCode::Internal);
  auto function = module->lookupSymbol<mlir::func::FuncOp>(options.entry);
  if (!function)
    throw Error(703, options.model.import.model, "an entry of the model", "\"" + options.entry + "\"", "");
  ScopeWeights weights(*module, text ? options.model.import.weightsDir : "", options.adapters);
  nn::Evaluator evaluator([&](llvm::StringRef scope, llvm::StringRef key, mlir::RankedTensorType type) { return weights.read(scope, key, type); });
  writeOutputs(function, evaluator.call(function, readInputs(function, options.inputs)), options.outputs);
  return 0;
}

} // namespace

void addEval(CLI::App &app, Action &action) {
  CLI::App *command = app.add_subcommand("eval", "run an entry in the float64 reference evaluator");
  auto options = std::make_shared<EvalOptions>();
  command->add_option("MODEL", options->model.import.model, "pipeline folder, component folder, .hb file, or .mlir file of nn ops")->required();
  command->add_option("ENTRY", options->entry, "the entry to run")->required();
  command->add_option("--inputs", options->inputs, "safetensors file with the entry's inputs")->required();
  command->add_option("--outputs", options->outputs, "safetensors file to write")->required();
  command->add_option("--adapter", options->adapters, "PATH[:SCALE]: an adapter (repeatable)")->allow_extra_args(false);
  command->add_option("--after", options->after, "evaluate what this phase leaves: import, simplify or fuse")->check(CLI::IsMember({"import", "simplify", "fuse"}));
  options->model.add(*command);
  command->callback([options, &action] { action = [options] { return eval(*options); }; });
}

} // namespace hb::tool
