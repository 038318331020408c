// Looking builtins up, matching their arguments.
#include "frontend/Builtins.h"

#include "frontend/NameCheck.h"
#include "runtime/base/Text.h"

namespace hb::frontend {

namespace {

const std::map<std::string_view, const Builtin *> &table() {
  static const auto *map = [] {
    auto *map = new std::map<std::string_view, const Builtin *>;
    for (auto rows : {elaborationBuiltins(), graphBuiltins(), shapeBuiltins()})
      for (const Builtin &row : rows)
        map->emplace(row.name, &row);
    return map;
  }();
  return *map;
}

struct ParameterName {
  std::string name;
  bool optional;
};

std::vector<ParameterName> parameterNames(const Builtin &builtin) {
  std::vector<ParameterName> names;
  llvm::SmallVector<llvm::StringRef> words;
  llvm::StringRef(builtin.parameters).split(words, ' ', -1, false);
  for (llvm::StringRef word : words) {
    bool optional = word.consume_back("?");
    names.push_back({word.str(), optional});
  }
  return names;
}

} // namespace

const Builtin *findBuiltin(std::string_view name) {
  auto found = table().find(name);
  return found == table().end() ? nullptr : found->second;
}

std::vector<std::string> builtinNames() {
  std::vector<std::string> names;
  for (const auto &row : table())
    names.emplace_back(row.first);
  return names;
}

Value Elaborator::callBuiltin(const Builtin &builtin, const std::vector<ast::Named> &arguments, const Env &env, Span span) {
  std::vector<ParameterName> names = parameterNames(builtin);
  std::string signature = std::string(builtin.name) + "(";
  for (size_t i = 0; i < names.size(); ++i)
    signature += (i ? ", " : "") + names[i].name + (names[i].optional ? " = …" : "");
  signature += ")";
  Call call{*this, builtin, env, span, std::vector<Value>(names.size()), std::vector<Span>(names.size(), span), std::vector<bool>(names.size())};
  for (size_t i = 0; i < arguments.size(); ++i) {
    const ast::Named &argument = arguments[i];
    size_t index = i;
    if (!argument.name.empty()) {
      std::vector<std::string> known;
      for (index = 0; index < names.size() && names[index].name != argument.name; ++index)
        known.push_back(names[index].name);
      if (index == names.size())
        fail(123, argument.nameSpan, "a parameter of " + signature, "\"" + argument.name + "\"", suggestion(argument.name, known, ""));
    }
    if (index >= names.size())
      fail(123, argument.value->span, signature, std::to_string(arguments.size()) + " arguments", "");
    if (call.given[index])
      fail(123, argument.nameSpan, "each argument once", "\"" + names[index].name + "\" twice", "");
    call.values[index] = evaluate(*argument.value, env);
    call.spans[index] = argument.value->span;
    call.given[index] = true;
  }
  for (size_t i = 0; i < names.size(); ++i)
    if (!call.given[i] && !names[i].optional)
      fail(123, span, signature, "no value for " + names[i].name, "");
  here_ = span;
  return builtin.function(call);
}

std::string Arguments::what(size_t i) const { return "\"" + parameterNames(call.builtin)[i].name + "\" of " + call.builtin.name; }

mlir::Value Arguments::real(size_t i) {
  mlir::Value value = tensor(i);
  if (!llvm::isa<mlir::FloatType>(elementOf(value)))
    e.fail(143, span(i), "a float tensor as " + what(i), describeType(value.getType()), "write cast(x)");
  return value;
}

mlir::Value Arguments::ids(size_t i) {
  mlir::Value value = tensor(i);
  if (!elementOf(value).isInteger(64))
    e.fail(143, span(i), "an i64 tensor as " + what(i), describeType(value.getType()), "");
  return value;
}

const List &Arguments::list(size_t i) {
  const List *list = value(i).list();
  if (!list)
    e.wrongKind(value(i), span(i), "a list", what(i));
  return *list;
}

int64_t Arguments::normalizeAxis(int64_t axis, int64_t rank, Span span) {
  if (axis < -rank || axis >= rank)
    e.fail(127, span, "an axis of a tensor of rank " + std::to_string(rank), std::to_string(axis), "");
  return axis < 0 ? axis + rank : axis;
}

void Arguments::mismatch(size_t i, const std::string &expected, const std::string &found) {
  e.fail(141, span(i), expected, found, std::string("the sizes of ") + call.builtin.name + "'s arguments do not fit");
}

std::optional<std::vector<int64_t>> broadcastShapes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b) {
  std::vector<int64_t> result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) {
    int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1)
      return std::nullopt;
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

} // namespace hb::frontend

namespace hb {
std::vector<std::string> builtinNames() { return frontend::builtinNames(); }
} // namespace hb
