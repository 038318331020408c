// Entries: dimension names get numbers, the body becomes a function of the module, parameters are checked.
#include "frontend/Elaborator.h"

#include "runtime/base/Text.h"

namespace hb::frontend {

namespace {

/// The pixel sizes of a pipeline by dimension name; the latent is `scale` times smaller.
std::optional<int64_t> pipelineSize(const std::string &name, const ImportOptions &options, int64_t scale) {
  if (name == "B" && options.batchSize)
    return *options.batchSize;
  if (name == "h" && options.height)
    return *options.height;
  if (name == "w" && options.width)
    return *options.width;
  if (name == "H" && options.height)
    return *options.height / scale;
  if (name == "W" && options.width)
    return *options.width / scale;
  return std::nullopt;
}

} // namespace

/// The names in a dimension expression.
void Elaborator::collectDims(const ast::Expr &expr, std::vector<std::pair<std::string, Span>> &names) const {
  if (expr.kind == ast::ExprKind::Name)
    names.emplace_back(expr.text, expr.span);
  if (expr.kind == ast::ExprKind::Unary || expr.kind == ast::ExprKind::Binary)
    for (const auto &item : expr.items)
      collectDims(*item, names);
}

/// What was asked for on the command line, as the record `options`; what was not given is none.
Value Elaborator::settings() const {
  auto count = [](int value) { return value > 0 ? Value(int64_t{value}) : Value(); };
  List rewards;
  for (const auto &[name, folder] : options.rewards)
    rewards.push_back(name);
  Record record;
  Value truncation;
  if (options.truncation) {
    Record range;
    range.entries = {{"low", Value(int64_t{options.truncation->first})}, {"high", Value(int64_t{options.truncation->second})}};
    truncation = Value(std::move(range));
  }
  record.entries = {{"steps", count(options.steps)}, {"grad_steps", count(options.gradSteps)}, {"rewards", Value(std::move(rewards))},
                    {"truncation", std::move(truncation)}, {"lv_samples", Value(int64_t{options.lvSamples})}, {"stop_grad_input", Value(options.stopGradInput)},
                    {"lora_dropout", Value(options.loraDropout)}, {"kl", Value(options.kl)}};
  return Value(std::move(record));
}

bool Elaborator::conditionHolds(const ast::Entry &entry, FileScope *file, Component *component) {
  if (!entry.condition)
    return true;
  Frame frame;
  frame.set("config", component->config);
  frame.set("options", settings());
  entryComponent = component;
  return boolean(evaluate(*entry.condition, Env{&frame, nullptr, file}), entry.condition->span, "the condition of the entry");
}

void Elaborator::elaborateEntry(const EntryPlan &plan) {
  const ast::Entry &entry = *plan.entry;
  const ast::Function &function = entry.function;
  entryComponent = plan.component;
  parameterValues_.clear();
  lastParameter_ = nullptr;
  size_t firstParam = params.size(), firstInstance = instances.size();
  Frame frame;
  Env env{&frame, nullptr, plan.file};
  frame.set("config", plan.component->config);
  frame.set("options", settings());

  // Sizes: the entry's own bindings in order, then whatever else its inputs name.
  for (const ast::Binding &binding : entry.bindings) {
    knownDims.insert(binding.name);
    auto given = options.dims.find(binding.name);
    auto value = [&] { return integer(evaluate(*binding.value, env), binding.value->span, "the size " + binding.name); };
    int64_t size = 0;
    try {
      if (binding.fixed) {
        size = value();
        if (given != options.dims.end() && given->second != size)
          throw Error(705, "--dim " + binding.name + "=" + std::to_string(given->second), std::to_string(size) + ", which the model's config fixes", std::to_string(given->second),
                      "leave the dimension out");
      } else if (given != options.dims.end()) {
        size = given->second;
      } else if (auto fromPixels = pipelineSize(binding.name, options, latentScale)) {
        size = *fromPixels;
      } else {
        size = value();
      }
      frame.set(binding.name, size);
    } catch (const Failure &failure) {
      report(failure);
      frame.set(binding.name, Poison{});
    }
  }
  // Inputs that exist only in some compilations (those of a reward) bind no sizes in the others.
  std::vector<const ast::Parameter *> present;
  for (const ast::Parameter &parameter : function.parameters)
    if (!parameter.condition || boolean(evaluate(*parameter.condition, env), parameter.condition->span, "the condition of the input"))
      present.push_back(&parameter);
    else
      frame.set(parameter.name.substr(0, parameter.name.find('.')), Value());
  std::vector<std::string> unbound;
  for (const ast::Parameter *at : present) {
    const ast::Parameter &parameter = *at;
    for (size_t i = 0; parameter.type && i < parameter.type->dims.size(); ++i) {
      std::vector<std::pair<std::string, Span>> names;
      collectDims(*parameter.type->dims[i], names);
      for (const auto &[name, span] : names) {
        if (frame.find(name) || plan.file->values.count(name) || plan.file->constants.count(name))
          continue;
        knownDims.insert(name);
        auto given = options.dims.find(name);
        auto fromPixels = pipelineSize(name, options, latentScale);
        if (given != options.dims.end())
          frame.set(name, given->second);
        else if (fromPixels)
          frame.set(name, *fromPixels);
        else if (std::find(unbound.begin(), unbound.end(), name) == unbound.end())
          unbound.push_back(name);
      }
    }
  }
  if (!unbound.empty()) {
    for (const std::string &name : unbound)
      sink.report({701, {}, "--dim " + name + "=SIZE", "no size for the dimension " + name, "give it on the command line", {{entry.span, "the entry is declared here"}}, "entry " + plan.name + ", dimension " + name});
    return;
  }

  // The function; its type is final once the body is known.
  llvm::SmallVector<mlir::Type> inputs;
  for (const ast::Parameter *at : present) {
    const ast::Parameter &parameter = *at;
    if (!parameter.type || parameter.type->kind != ast::TypeKind::Tensor)
      fail(122, parameter.span, "a tensor[…] type: the inputs of an entry are tensors", "another type", "");
    std::vector<int64_t> shape;
    for (const auto &dim : parameter.type->dims)
      shape.push_back(dimension(*dim, env));
    inputs.push_back(tensorType(shape, parameter.type->dtype.empty() ? activation_ : elementType(parameter.type->dtype), parameter.type->span));
  }
  mlir::Location place = location(entry.span);
  builder.setInsertionPointToEnd(module->getBody());
  auto func = mlir::func::FuncOp::create(builder, place, plan.name, builder.getFunctionType(inputs, {}));
  functionBlock_ = func.addEntryBlock();
  builder.setInsertionPointToStart(functionBlock_);
  std::map<std::string, Record> groups;
  std::vector<EntryInput> arguments;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ast::Parameter &parameter = *present[i];
    const std::string &name = parameter.name;
    arguments.push_back({name, {}});
    if (parameter.fallback) {
      if (mlir::cast<mlir::RankedTensorType>(inputs[i]).getRank() != 0)
        fail(122, parameter.fallback->span, "a default for a scalar input", "one for a tensor", "");
      arguments.back().fallback = number(evaluate(*parameter.fallback, env), parameter.fallback->span, "the default of " + name);
    }
    mlir::Value argument = func.getArgument(i);
    argument.setLoc(location(parameter.span));
    // `blip2.input_ids` is the entry `input_ids` of a record named `blip2`.
    size_t dot = name.find('.');
    if (dot == std::string::npos)
      frame.set(name, TensorValue{argument});
    else
      groups[name.substr(0, dot)].entries.emplace_back(name.substr(dot + 1), TensorValue{argument});
  }
  for (auto &[name, record] : groups)
    frame.set(name, std::move(record));

  bool finished = false;
  Value result;
  try {
    std::optional<std::vector<int64_t>> leading;
    leading_.reset();
    result = evaluate(*function.body, env);
    finishResults(function, result, env, leading);
    finished = true;
  } catch (const Failure &failure) {
    report(failure);
  }
  checkParameters(firstParam, firstInstance);
  if (!finished)
    return;

  List values;
  std::vector<std::string> recordNames; // of an entry without declared results
  if (const Record *record = result.record(); record && !function.hasResults) {
    for (const auto &[name, value] : record->entries) {
      recordNames.push_back(name);
      values.push_back(value);
    }
  } else {
    values = function.tupleResult || (!function.hasResults && result.list()) ? *result.list() : List{result};
  }
  llvm::SmallVector<mlir::Value> outputs;
  for (const Value &value : values)
    outputs.push_back(tensorOf(value, function.body->span, "a result of the entry"));
  std::vector<std::string> names;
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::string name = i < function.results.size() ? function.results[i].name : i < recordNames.size() ? recordNames[i] : "";
    names.push_back(!name.empty() ? name : outputs.size() == 1 ? "result" : "result" + std::to_string(i));
  }
  if (plan.vjp)
    appendVjp(entry, arguments, outputs, names);
  mlir::func::ReturnOp::create(builder, place, outputs);
  // The argument attributes are set once the function has its final type: their number must agree with it.
  func.setFunctionType(builder.getFunctionType(functionBlock_->getArgumentTypes(), mlir::ValueRange(outputs).getTypes()));
  for (size_t i = 0; i < arguments.size(); ++i) {
    func.setArgAttr(i, "nn.name", builder.getStringAttr(arguments[i].name));
    if (arguments[i].fallback)
      func.setArgAttr(i, "nn.default", builder.getF64FloatAttr(*arguments[i].fallback));
  }
  for (size_t i = 0; i < names.size(); ++i)
    func.setResultAttr(i, "nn.name", builder.getStringAttr(names[i]));
}

std::vector<std::pair<std::string, mlir::Value>> Elaborator::adapterFactors(const std::string &scope) {
  std::vector<std::pair<std::string, mlir::Value>> factors;
  functionBlock_->walk([&](nn::ParamOp param) {
    llvm::StringRef from = param.getScope(), key = param.getKey();
    if (from.consume_front("adapter:") && (scope.empty() || from == scope) && !key.ends_with(".lora_scale"))
      factors.emplace_back((key + ".weight").str(), param.getResult());
  });
  return factors;
}

void Elaborator::appendVjp(const ast::Entry &entry, std::vector<EntryInput> &arguments, llvm::SmallVectorImpl<mlir::Value> &outputs,
                           std::vector<std::string> &names) {
  mlir::Location place = location(entry.span);
  llvm::SmallVector<mlir::Value> cotangents, wrt;
  std::vector<std::string> gradientNames;
  size_t inputs = arguments.size();
  for (size_t i = 0; i < outputs.size(); ++i) {
    cotangents.push_back(functionBlock_->addArgument(outputs[i].getType(), place));
    arguments.push_back({outputs.size() == 1 ? "cotangent" : "cotangent." + names[i], {}});
  }
  for (const auto &[name, span] : entry.vjp) {
    size_t at = 0;
    while (at < inputs && arguments[at].name != name)
      ++at;
    if (at == inputs)
      fail(120, span, "an input of the entry", "\"" + name + "\"", "");
    wrt.push_back(functionBlock_->getArgument(at));
    gradientNames.push_back("grad." + name);
  }
  for (const auto &[name, factor] : adapterFactors("")) {
    wrt.push_back(factor);
    gradientNames.push_back("grad." + name);
  }
  auto vjp = grad::VjpOp::create(builder, place, mlir::ValueRange(wrt).getTypes(), outputs, cotangents, wrt);
  outputs.append(vjp.getGradients().begin(), vjp.getGradients().end());
  names.insert(names.end(), gradientNames.begin(), gradientNames.end());
}

/// Every parameter of the instances made since: present, of the declared shape, of a float type. All problems are reported.
void Elaborator::checkParameters(size_t firstParam, size_t firstInstance) {
  for (size_t i = firstInstance; i < instances.size(); ++i) {
    Instance &instance = instances[i];
    Component *component = componentOf(&instance);
    component->instantiated = true;
    std::string path = pathOf(instance);
    for (const std::string &pattern : instance.ignored)
      component->ignored.push_back(path.empty() ? pattern : path + "." + pattern);
  }
  // What nobody asks for is where a misspelt name is looked for, so everything is marked before anything is reported.
  struct Bound {
    ParamNode *param;
    Component *component;
    std::string key;
    const CheckpointTensor *tensor;
  };
  std::vector<Bound> bound;
  for (size_t i = firstParam; i < params.size(); ++i) {
    if (!params[i].attached)
      continue;
    Component *component = componentOf(params[i].parent);
    std::string key = pathOf(params[i]);
    if (!component->checkedKeys.insert(key).second || !component->hasWeights())
      continue;
    const CheckpointTensor *tensor = component->headers().find(key);
    if (tensor)
      component->used.insert(tensor);
    bound.push_back({&params[i], component, std::move(key), tensor});
  }
  for (const auto &[node, component, key, tensor] : bound) {
    const ParamNode &param = *node;
    const Checkpoint &checkpoint = component->headers();
    Diagnostic diagnostic;
    diagnostic.expected = "a parameter " + shapeText(param.shape);
    diagnostic.notes.push_back({param.parent->span, "needed by this " + param.parent->module->name});
    if (!tensor) {
      diagnostic.number = 230;
      diagnostic.place = printable(checkpoint.path(), 1024) + ":" + key;
      diagnostic.found = "no such tensor";
      std::vector<std::string> names;
      if (sink.suppressed() == 0)
        for (const CheckpointTensor &other : checkpoint.tensors())
          if (!component->used.count(&other))
            names.push_back(other.name);
      diagnostic.action = suggestion(key, names, "config and weights are of different models, or the file is incomplete");
      sink.report(std::move(diagnostic));
      continue;
    }
    diagnostic.place = printable(checkpoint.where(*tensor), 1024);
    if (tensor->shape != param.shape) {
      diagnostic.number = 231;
      diagnostic.found = shapeText(tensor->info->shape);
      diagnostic.action = "config and weights are of different models";
      sink.report(std::move(diagnostic));
    } else if (!isFloat(tensor->dtype)) {
      diagnostic.number = 232;
      diagnostic.expected = "F32, F16, BF16 or F64";
      diagnostic.found = dtypeName(tensor->dtype);
      diagnostic.action = "convert the checkpoint";
      sink.report(std::move(diagnostic));
    }
  }
}

} // namespace hb::frontend
