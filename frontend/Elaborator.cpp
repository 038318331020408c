#include "frontend/Elaborator.h"

#include "runtime/base/Text.h"

namespace hb::frontend {

using mlir::Location, mlir::Type, mlir::OpBuilder, mlir::RankedTensorType, mlir::DenseElementsAttr, llvm::ArrayRef, llvm::isa, llvm::cast;

const Value *Frame::find(std::string_view name) const {
  for (const Frame *frame = this; frame; frame = frame->parent)
    for (auto it = frame->names.rbegin(); it != frame->names.rend(); ++it)
      if (it->first == name)
        return &it->second;
  return nullptr;
}

Elaborator::Elaborator(mlir::MLIRContext &context, const ImportOptions &options, ProgramFiles &files, DiagnosticSink &sink)
    : context(context), options(options), files(files), sink(sink), module(mlir::ModuleOp::create(mlir::UnknownLoc::get(&context))), builder(&context) {
  activation_ = elementType(options.dtype);
}

Elaborator::Level::Level(Elaborator &elaborator, Span span) : elaborator(elaborator) {
  // A thousand levels is ten times what the deepest network here needs and stays far from the end of an 8 MiB stack.
  if (++elaborator.depth_ > 1000) {
    --elaborator.depth_;
    fail(124, span, "at most 1,000 nested evaluations", "more", "a module or function probably contains itself");
  }
  if (++elaborator.steps_ > 20'000'000) {
    --elaborator.depth_;
    fail(124, span, "a program that elaborates in a reasonable time", "more than 20,000,000 steps", "look for a loop with too many iterations");
  }
}

void Elaborator::fail(int number, Span span, std::string expected, std::string found, std::string action, std::vector<DiagnosticNote> notes) {
  throw Failure{{number, span, std::move(expected), std::move(found), std::move(action), std::move(notes), {}}};
}

void Elaborator::silent() {
  Failure failure;
  failure.diagnostic.number = 0;
  throw failure;
}

void Elaborator::wrongKind(const Value &value, Span span, const std::string &expected, const std::string &what) {
  if (value.as<Poison>())
    silent();
  // A config that holds the wrong type is another mistake (and file) than a program that does.
  std::string action = what.empty() ? "" : "this is " + what;
  if (value.origin)
    fail(131, span, expected, describe(value), action.empty() ? "correct the config" : action + "; correct the config");
  fail(122, span, expected, describe(value), action);
}

int64_t Elaborator::integer(const Value &value, Span span, const std::string &what) {
  if (auto *integer = value.as<int64_t>())
    return *integer;
  wrongKind(value, span, "an int", what);
}

double Elaborator::number(const Value &value, Span span, const std::string &what) {
  if (auto *integer = value.as<int64_t>())
    return static_cast<double>(*integer);
  if (auto *real = value.as<double>())
    return *real;
  wrongKind(value, span, "a number", what);
}

bool Elaborator::boolean(const Value &value, Span span, const std::string &what) {
  if (auto *flag = value.as<bool>())
    return *flag;
  wrongKind(value, span, "a bool", what);
}

const std::string &Elaborator::text(const Value &value, Span span, const std::string &what) {
  if (auto *string = value.string())
    return *string;
  wrongKind(value, span, "a string", what);
}

std::vector<int64_t> Elaborator::integers(const Value &value, Span span, const std::string &what) {
  const List *list = value.list();
  if (!list)
    wrongKind(value, span, "a list of ints", what);
  std::vector<int64_t> result;
  for (const Value &item : *list)
    result.push_back(integer(item, span, what));
  return result;
}

FileScope *Elaborator::scopeOf(const ast::File *file) {
  auto [it, isNew] = scopes_.try_emplace(file);
  FileScope &scope = it->second;
  if (!isNew)
    return &scope;
  scope.file = file;
  for (const ast::Import &import : file->imports)
    scope.imports[import.alias] = &import;
  for (const auto &function : file->functions)
    scope.values[function->name] = FunctionValue{function.get(), &scope, nullptr};
  for (const auto &module : file->modules)
    scope.values[module->name] = ModuleValue{module.get(), &scope};
  std::function<void(const ast::Pattern &, const ast::Constant &)> names = [&](const ast::Pattern &pattern, const ast::Constant &constant) {
    if (!pattern.name.empty())
      scope.constants[pattern.name] = &constant;
    for (const ast::Pattern &item : pattern.items)
      names(item, constant);
  };
  for (const ast::Constant &constant : file->constants)
    names(constant.pattern, constant);
  return &scope;
}

Component *Elaborator::newComponent() { return &components.emplace_back(); }

// ---- the graph ----

Location Elaborator::location(Span span) const {
  Location place = mlir::UnknownLoc::get(&context);
  if (span.file)
    place = mlir::FileLineColLoc::get(&context, span.file->name(), span.file->line(span.begin), span.file->column(span.begin));
  if (selves_.empty() || !selves_.back())
    return place;
  std::string path = pathOf(*selves_.back());
  return path.empty() ? place : Location(mlir::NameLoc::get(mlir::StringAttr::get(&context, path), place));
}

mlir::Value Elaborator::parameter(ParamNode &node) {
  if (!node.attached)
    fail(129, node.span, "a param that is a member of a module", "one that is not", "declare it as `name: param[…]`");
  Component *component = componentOf(node.parent);
  std::string key = pathOf(node);
  Type element = mlir::Float32Type::get(&context);
  if (component->hasWeights())
    if (const CheckpointTensor *tensor = component->headers().find(key); tensor && isFloat(tensor->dtype))
      element = tensor->dtype == DType::F16 ? Type(mlir::Float16Type::get(&context)) : tensor->dtype == DType::BF16 ? Type(mlir::BFloat16Type::get(&context))
                : tensor->dtype == DType::F64 ? Type(mlir::Float64Type::get(&context)) : element;
  return namedParameter(component->scope, key, tensorType(node.shape, element, node.span), node.span);
}

mlir::Value Elaborator::namedParameter(const std::string &scope, const std::string &key, RankedTensorType type, Span span) {
  auto [found, isNew] = parameterValues_.try_emplace({scope, key});
  if (!isNew) {
    if (found->second.getType() != type)
      fail(129, span, "one shape for the parameter \"" + key + "\" of one scope", describeType(found->second.getType()) + " and " + describeType(type), "two networks of one component must not share paths");
    return found->second;
  }
  // All parameters stand at the start of the function: one op serves every use, inside loops too.
  OpBuilder::InsertionGuard guard(builder);
  if (lastParameter_)
    builder.setInsertionPointAfter(lastParameter_);
  else
    builder.setInsertionPointToStart(functionBlock_);
  auto op = nn::ParamOp::create(builder, location(span), type, builder.getStringAttr(scope), builder.getStringAttr(key));
  lastParameter_ = op;
  return found->second = op.getResult();
}

mlir::Value Elaborator::weightOf(const Value &value, Span span, const std::string &what) {
  if (auto *param = value.as<ParamNode *>())
    return parameter(**param);
  if (auto *tensor = value.as<TensorValue>()) {
    if (tensor->offset)
      fail(122, span, "a tensor", "the iteration of a repeat that does not start at 0", "it can only pick rows of tables: table[i]");
    return tensor->value;
  }
  wrongKind(value, span, "a tensor", what);
}

mlir::Value Elaborator::tensorOf(const Value &value, Span span, const std::string &what) {
  mlir::Value tensor = weightOf(value, span, what);
  return value.as<ParamNode *>() ? castTo(tensor, activation_) : tensor;
}

mlir::Value Elaborator::castTo(mlir::Value value, Type element) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getElementType() == element)
    return value;
  return nn::CastOp::create(builder, value.getLoc(), RankedTensorType::get(type.getShape(), element), value);
}

mlir::Value Elaborator::splat(double value, ArrayRef<int64_t> shape, Type element) {
  auto type = RankedTensorType::get(shape, element);
  DenseElementsAttr attribute;
  if (isa<mlir::IntegerType>(element)) {
    attribute = DenseElementsAttr::get(type, builder.getIntegerAttr(element, static_cast<int64_t>(value)));
  } else {
    llvm::APFloat real(value);
    bool lossy;
    real.convert(cast<mlir::FloatType>(element).getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &lossy);
    attribute = DenseElementsAttr::get(type, real);
  }
  Location place = location(here_);
  return nn::ConstantOp::create(builder, place, type, attribute);
}

} // namespace hb::frontend
