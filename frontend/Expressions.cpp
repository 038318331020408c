// Expressions: names, operators, control flow of elaboration, loops of the graph.
#include "frontend/Elaborator.h"

#include "runtime/base/Text.h"

#include <cmath>

namespace hb::frontend {

using ast::Expr, ast::ExprKind;

namespace {

constexpr int64_t kMaxList = 1'000'000;
constexpr std::string_view kDTypes[] = {"f32", "f16", "bf16", "f64", "i64"};

/// Every name that could have been meant, for suggestions.
std::vector<std::string> visibleNames(const Env &env) {
  std::vector<std::string> names = builtinNames();
  for (const Frame *frame = env.frame; frame; frame = frame->parent)
    for (const auto &entry : frame->names)
      names.push_back(entry.first);
  if (env.self) {
    for (const auto &entry : env.self->names)
      names.push_back(entry.first);
    for (const auto &entry : env.self->functions)
      names.push_back(entry.first);
  }
  for (const auto &entry : env.file->values)
    names.push_back(entry.first);
  for (const auto &entry : env.file->constants)
    names.push_back(entry.first);
  for (const auto &entry : env.file->imports)
    names.push_back(entry.first);
  return names;
}

void poison(const ast::Pattern &pattern, const Env &env) {
  if (!pattern.name.empty())
    env.frame->set(pattern.name, Poison{});
  for (const ast::Pattern &item : pattern.items)
    poison(item, env);
}

} // namespace

Value Elaborator::evaluate(const Expr &expr, const Env &env) {
  Level level(*this, expr.span);
  try {
    return evaluateKind(expr, env);
  } catch (Failure &failure) {
    // Limits of values are noticed where no place is known; the innermost expression is the place.
    if (failure.diagnostic.number && !failure.diagnostic.span.file && failure.diagnostic.place.empty())
      failure.diagnostic.span = expr.span;
    throw;
  }
}

Value Elaborator::evaluateKind(const Expr &expr, const Env &env) {
  switch (expr.kind) {
  case ExprKind::Int: return expr.integer;
  case ExprKind::Float: return expr.real;
  case ExprKind::String: return expr.text;
  case ExprKind::Bool: return expr.integer != 0;
  case ExprKind::None: return {};
  case ExprKind::Name: return lookup(expr.text, env, expr.span);
  case ExprKind::Tuple:
  case ExprKind::List: {
    List list;
    for (const auto &item : expr.items)
      list.push_back(evaluate(*item, env));
    return list;
  }
  case ExprKind::Record: return evaluateRecord(expr, env);
  case ExprKind::Comprehension: return evaluateComprehension(expr, env);
  case ExprKind::Block: return evaluateBlock(expr, env);
  case ExprKind::If: {
    Value condition = evaluate(*expr.items[0], env);
    bool holds = boolean(condition, expr.items[0]->span, condition.as<TensorValue>() ? "a condition: it is decided while the program is elaborated" : "a condition");
    return evaluate(*expr.items[holds ? 1 : 2], env);
  }
  case ExprKind::Param: return evaluateParam(expr, env);
  case ExprKind::Fold: return evaluateFold(expr, env);
  case ExprKind::Repeat: return evaluateRepeat(expr, env);
  case ExprKind::Unary: return evaluateUnary(expr, env);
  case ExprKind::Binary: return evaluateBinary(expr, env);
  case ExprKind::Call: {
    const Expr &callee = *expr.items[0];
    if (callee.kind == ExprKind::Field && callee.text == "get") {
      bool handled = false;
      Value value = callMethod(evaluate(*callee.items[0], env), callee.text, expr, env, handled);
      if (handled)
        return value;
    }
    return callValue(evaluate(callee, env), expr.named, env, expr.span, callee.span);
  }
  case ExprKind::Field: return evaluateField(expr, env);
  case ExprKind::Index: return evaluateIndex(expr, env);
  case ExprKind::Ellipsis:
  case ExprKind::Wildcard: break;
  }
  fail(122, expr.span, "a value", "\"" + std::string(expr.span.text()) + "\"", "it only means something in a type or an index");
}

Value Elaborator::lookup(const std::string &name, const Env &env, Span span) {
  auto checked = [](const Value &value) {
    if (value.as<Poison>())
      silent();
    return value;
  };
  if (env.frame)
    if (const Value *value = env.frame->find(name))
      return checked(*value);
  if (env.self) {
    if (const Value *value = env.self->find(name))
      return checked(*value);
    auto function = env.self->functions.find(name);
    if (function != env.self->functions.end())
      return FunctionValue{function->second, env.self->file, env.self};
    if (name == "self")
      return env.self;
  }
  FileScope &file = *env.file;
  if (auto found = file.values.find(name); found != file.values.end())
    return checked(found->second);
  if (auto import = file.imports.find(name); import != file.imports.end()) {
    const ast::File *imported = files.import(*file.file, *import->second);
    return checked(file.values[name] = imported ? Value(scopeOf(imported)) : Value(Poison{}));
  }
  if (auto constant = file.constants.find(name); constant != file.constants.end()) {
    if (!file.evaluating.insert(name).second)
      fail(124, span, "a constant that does not need itself", "\"" + name + "\" in its own value", "break the circle");
    Frame frame;
    Env inner{&frame, nullptr, &file};
    try {
      Value value = evaluate(*constant->second->value, inner);
      if (constant->second->type)
        value = conform(*constant->second->type, std::move(value), inner, constant->second->value->span, "the constant " + name);
      bind(constant->second->pattern, value, inner, constant->second->span);
    } catch (const Failure &failure) {
      report(failure);
      poison(constant->second->pattern, inner);
    }
    file.evaluating.erase(name);
    for (auto &[bound, value] : frame.names)
      file.values[bound] = value;
    return checked(file.values[name]);
  }
  if (const Builtin *builtin = findBuiltin(name))
    return builtin;
  for (std::string_view dtype : kDTypes)
    if (dtype == name)
      return DTypeValue{name};
  if (name == "pi")
    return 3.14159265358979323846;
  fail(120, span, "a name that is known here", "\"" + printable(name) + "\"", suggestion(name, visibleNames(env), "declare it, or import the file it is in"));
}

void Elaborator::bind(const ast::Pattern &pattern, const Value &value, const Env &env, Span span) {
  if (!pattern.name.empty()) {
    if (pattern.name != "_")
      env.frame->set(pattern.name, value);
    return;
  }
  const List *list = value.list();
  if (!list)
    wrongKind(value, span, "a tuple of " + std::to_string(pattern.items.size()), "");
  if (list->size() != pattern.items.size())
    fail(122, span, "a tuple of " + std::to_string(pattern.items.size()), "one of " + std::to_string(list->size()), "", {{pattern.span, "the names are here"}});
  for (size_t i = 0; i < list->size(); ++i)
    bind(pattern.items[i], (*list)[i], env, span);
}

Value Elaborator::evaluateRecord(const Expr &expr, const Env &env) {
  Record record;
  for (const ast::Named &entry : expr.named)
    record.entries.emplace_back(entry.name, evaluate(*entry.value, env));
  return record;
}

Value Elaborator::evaluateParam(const Expr &expr, const Env &env) {
  if (!env.self || env.self->complete)
    fail(129, expr.span, "param as a member's value in a module's body", "param elsewhere", "declare it as a member: name: param[…]");
  ParamNode &node = params.emplace_back();
  node.span = expr.span;
  for (const auto &dim : expr.items)
    node.shape.push_back(dimension(*dim, env));
  tensorType(node.shape, mlir::Float32Type::get(&context), expr.span); // refuses impossible sizes
  return &node;
}

/// Every element in a frame of its own, so that names of one iteration do not reach the next.
Value Elaborator::evaluateComprehension(const Expr &expr, const Env &env) {
  Value source = evaluate(*expr.items[0], env);
  const List *items = source.list();
  if (!items)
    wrongKind(source, expr.items[0]->span, "a list or a range", "");
  List result;
  for (const Value &item : *items) {
    Frame frame{env.frame, {}};
    Env inner = env.inner(frame);
    bind(expr.pattern, item, inner, expr.items[0]->span);
    if (expr.items[1] && !boolean(evaluate(*expr.items[1], inner), expr.items[1]->span, "a condition"))
      continue;
    result.push_back(evaluate(*expr.items[2], inner));
  }
  return result;
}

Value Elaborator::evaluateBlock(const Expr &expr, const Env &env) {
  Frame frame{env.frame, {}};
  Env inner = env.inner(frame);
  for (const ast::Stmt &stmt : expr.body) {
    try {
      Value value = evaluate(*stmt.expr, inner);
      if (stmt.kind != ast::StmtKind::Let)
        continue;
      if (stmt.type)
        value = conform(*stmt.type, std::move(value), inner, stmt.expr->span, "the value of the let");
      bind(stmt.pattern, value, inner, stmt.expr->span);
    } catch (const Failure &failure) {
      // The nesting limit would come back at every level on the way out.
      // What follows a requirement relies on it.
      if (failure.diagnostic.number == 124 || stmt.kind == ast::StmtKind::Require)
        throw;
      report(failure);
      poison(stmt.pattern, inner);
    }
  }
  return evaluate(*expr.items[0], inner);
}

/// An unrolled loop: the body's value becomes the carried value of the next iteration.
Value Elaborator::evaluateFold(const Expr &expr, const Env &env) {
  Value source = evaluate(*expr.items[0], env);
  const List *items = source.list();
  if (!items)
    wrongKind(source, expr.items[0]->span, "a list or a range", "");
  bool tuple = expr.text == "tuple";
  List carried;
  for (const ast::Named &name : expr.named)
    carried.push_back(name.value ? evaluate(*name.value, env) : lookup(name.name, env, name.nameSpan));
  for (const Value &item : *items) {
    Frame frame{env.frame, {}};
    Env inner = env.inner(frame);
    for (size_t i = 0; i < carried.size(); ++i)
      frame.set(expr.named[i].name, carried[i]);
    bind(expr.pattern, item, inner, expr.items[0]->span);
    Value next = evaluate(*expr.items[1], inner);
    if (!tuple) {
      carried[0] = std::move(next);
      continue;
    }
    const List *values = next.list();
    if (!values || values->size() != carried.size())
      wrongKind(next, expr.items[1]->span, "a tuple of " + std::to_string(carried.size()), "the next value of the loop");
    carried = *values;
  }
  return tuple ? Value(std::move(carried)) : carried[0];
}

/// A loop of the graph. The body is elaborated once, with the iteration and the carried values as block arguments; parameters it uses
/// stand before the loop. `a..b` with a > 0 counts from 0 in the graph and remembers `a` for reading rows of tables.
Value Elaborator::evaluateRepeat(const Expr &expr, const Env &env) {
  int64_t first = integer(evaluate(*expr.items[0], env), expr.items[0]->span, "where the loop starts");
  Value last = evaluate(*expr.items[1], env);
  mlir::Value count;
  int64_t limit = 0;
  if (auto *bound = last.as<int64_t>()) {
    limit = *bound - first;
  } else {
    count = weightOf(last, expr.items[1]->span, "the number of iterations");
    auto type = llvm::cast<mlir::RankedTensorType>(count.getType());
    if (type.getRank() != 0 || !type.getElementType().isInteger(64))
      fail(143, expr.items[1]->span, "a tensor[; i64] as the number of iterations", describeType(type), "");
    if (!expr.items[2])
      fail(123, expr.items[1]->span, "\"max\" and the largest number of iterations", "none", "write repeat i in 0..n max 1000 from …");
    if (first != 0)
      fail(123, expr.items[0]->span, "a loop from 0", std::to_string(first), "a run-time count starts at 0");
    limit = integer(evaluate(*expr.items[2], env), expr.items[2]->span, "the largest number of iterations");
  }
  if (limit < 0 || limit > kMaxList)
    fail(127, expr.items[1]->span, "between 0 and 1,000,000 iterations", std::to_string(limit), "");
  bool tuple = expr.text == "tuple";
  llvm::SmallVector<mlir::Value> inits;
  for (const ast::Named &name : expr.named)
    inits.push_back(tensorOf(name.value ? evaluate(*name.value, env) : lookup(name.name, env, name.nameSpan), name.nameSpan, "a carried value"));
  llvm::SmallVector<mlir::Type> types(mlir::ValueRange(inits).getTypes());
  mlir::Location place = location(expr.span);
  nn::RepeatOp loop = nn::RepeatOp::create(builder, place, types, count, inits, limit);
  mlir::Block *body = builder.createBlock(&loop.getBody());
  body->addArgument(mlir::RankedTensorType::get({}, builder.getI64Type()), place);
  for (mlir::Type type : types)
    body->addArgument(type, place);
  Frame frame{env.frame, {}};
  Env inner = env.inner(frame);
  for (size_t i = 0; i < inits.size(); ++i)
    frame.set(expr.named[i].name, TensorValue{body->getArgument(i + 1)});
  bind(expr.pattern, TensorValue{body->getArgument(0), first}, inner, expr.span);
  Value next = evaluate(*expr.items[3], inner);
  List values = tuple ? next.list() ? *next.list() : List() : List{next};
  if (values.size() != inits.size())
    wrongKind(next, expr.items[3]->span, "a tuple of " + std::to_string(inits.size()), "the next value of the loop");
  llvm::SmallVector<mlir::Value> yields;
  for (size_t i = 0; i < values.size(); ++i) {
    yields.push_back(tensorOf(values[i], expr.items[3]->span, "a carried value"));
    if (yields[i].getType() != types[i])
      fail(141, expr.items[3]->span, "\"" + expr.named[i].name + "\" to keep its shape " + describeType(types[i]), describeType(yields[i].getType()), "",
           {{expr.named[i].nameSpan, "carried here"}});
  }
  nn::YieldOp::create(builder, place, yields);
  builder.setInsertionPointAfter(loop);
  List results;
  for (mlir::Value result : loop.getResults())
    results.push_back(TensorValue{result});
  return tuple ? Value(std::move(results)) : results[0];
}

// ---- operators ----

Value Elaborator::evaluateUnary(const Expr &expr, const Env &env) {
  Value value = evaluate(*expr.items[0], env);
  if (expr.text == "not")
    return !boolean(value, expr.items[0]->span, "a condition");
  if (auto *integer = value.as<int64_t>()) {
    int64_t result;
    if (__builtin_sub_overflow(int64_t{0}, *integer, &result))
      fail(126, expr.span, "a result below 2^63", "an overflow", "");
    return result;
  }
  if (auto *real = value.as<double>())
    return -*real;
  mlir::Value tensor = tensorOf(value, expr.items[0]->span, "the operand of -");
  if (!llvm::isa<mlir::FloatType>(mlir::getElementTypeOrSelf(tensor.getType())))
    fail(143, expr.span, "a float tensor", describeType(tensor.getType()), "");
  return TensorValue{nn::UnaryOp::create(builder, location(expr.span), tensor.getType(), nn::UnaryKind::neg, tensor)};
}

Value Elaborator::evaluateBinary(const Expr &expr, const Env &env) {
  const std::string &op = expr.text;
  Value a = evaluate(*expr.items[0], env);
  if (op == "and" || op == "or") {
    // The right side is not evaluated when the left decides: `has(c, "x") and c.x > 0`.
    bool left = boolean(a, expr.items[0]->span, "an operand of " + op);
    return left == (op == "or") ? left : boolean(evaluate(*expr.items[1], env), expr.items[1]->span, "an operand of " + op);
  }
  Value b = evaluate(*expr.items[1], env);
  bool comparison = op == "==" || op == "!=" || op == "<" || op == "<=" || op == ">" || op == ">=";
  if (comparison) {
    for (const Value *value : {&a, &b})
      if (value->as<TensorValue>())
        fail(122, expr.span, "elaboration values on both sides of " + op, "a tensor", "in the graph, eq(ids, value) compares ids");
    if (op == "==" || op == "!=")
      return equal(a, b) == (op == "==");
    if (a.string() && b.string())
      return op == "<" ? *a.string() < *b.string() : op == "<=" ? *a.string() <= *b.string() : op == ">" ? *a.string() > *b.string() : *a.string() >= *b.string();
    double x = number(a, expr.items[0]->span, "an operand of " + op), y = number(b, expr.items[1]->span, "an operand of " + op);
    return op == "<" ? x < y : op == "<=" ? x <= y : op == ">" ? x > y : x >= y;
  }
  if (op == "..") {
    int64_t first = integer(a, expr.items[0]->span, "the start of a range"), last = integer(b, expr.items[1]->span, "the end of a range");
    int64_t count = 0;
    if (__builtin_sub_overflow(last, first, &count) || count > kMaxList)
      fail(127, expr.span, "a range of at most 1,000,000", "more", "");
    List list;
    for (int64_t i = 0; i < count; ++i)
      list.push_back(first + i);
    return list;
  }
  return arithmetic(op, a, b, expr, env);
}

Value Elaborator::arithmetic(const std::string &op, const Value &a, const Value &b, const Expr &expr, const Env &env) {
  Span left = expr.items[0]->span, right = expr.items[1]->span;
  auto isNumber = [](const Value &value) { return value.as<int64_t>() || value.as<double>(); };
  if (a.as<int64_t>() && b.as<int64_t>()) {
    int64_t x = *a.as<int64_t>(), y = *b.as<int64_t>(), result = 0;
    bool overflow = false;
    switch (op[0]) {
    case '+': overflow = __builtin_add_overflow(x, y, &result); break;
    case '-': overflow = __builtin_sub_overflow(x, y, &result); break;
    case '*': overflow = __builtin_mul_overflow(x, y, &result); break;
    default:
      if (y == 0)
        fail(126, expr.span, "a divisor other than 0", std::to_string(x) + " " + op + " 0", "");
      if (x == INT64_MIN)
        fail(126, expr.span, "a result below 2^63", "an overflow", "");
      if (op == "/" && x % y != 0)
        fail(126, expr.span, "a division without remainder", std::to_string(x) + " / " + std::to_string(y), "div(a, b) rounds down, float(a) / b gives a float");
      result = op == "/" ? x / y : x % y;
    }
    if (overflow)
      fail(126, expr.span, "a result below 2^63", std::to_string(x) + " " + op + " " + std::to_string(y), "");
    return result;
  }
  if (isNumber(a) && isNumber(b)) {
    double x = number(a, left, ""), y = number(b, right, "");
    switch (op[0]) {
    case '+': return x + y;
    case '-': return x - y;
    case '*': return x * y;
    case '/': return x / y;
    default: return std::fmod(x, y);
    }
  }
  if (op == "+" && a.string() && b.string()) {
    if (a.string()->size() + b.string()->size() > size_t(kMaxList))
      fail(124, expr.span, "a string of at most 1,000,000 bytes", "more", "");
    return *a.string() + *b.string();
  }
  if (op == "+" && a.list() && b.list()) {
    if (a.list()->size() + b.list()->size() > size_t(kMaxList))
      fail(124, expr.span, "a list of at most 1,000,000", "more", "");
    List list = *a.list();
    list.insert(list.end(), b.list()->begin(), b.list()->end());
    return list;
  }
  bool graph = a.as<TensorValue>() || b.as<TensorValue>() || a.as<ParamNode *>() || b.as<ParamNode *>();
  if (!graph || op == "%") {
    // Name the operand that is wrong, judged by the other.
    const Value &wrong = isNumber(a) || (a.string() && op == "+") || (a.list() && op == "+") ? b : a;
    std::string wanted = &wrong == &a || isNumber(a) ? "a number or a tensor" : kindName(a);
    wrongKind(wrong, &wrong == &a ? left : right, wanted, "an operand of " + op);
  }
  return graphBinary(op, a, b, expr.span, left, right);
}

// ---- fields and calls ----

Value Elaborator::evaluateField(const Expr &expr, const Env &env) { return field(evaluate(*expr.items[0], env), expr.text, expr.span, env); }

Value Elaborator::field(const Value &object, const std::string &name, Span span, const Env &env) {
  if (auto *instance = object.as<Instance *>()) {
    Instance &self = **instance;
    if (const Value *value = self.find(name)) {
      if (value->as<Poison>())
        silent();
      return *value;
    }
    auto function = self.functions.find(name);
    if (function != self.functions.end())
      return FunctionValue{function->second, self.file, &self};
    std::vector<std::string> known;
    for (const auto &entry : self.names)
      known.push_back(entry.first);
    for (const auto &entry : self.functions)
      known.push_back(entry.first);
    fail(121, span, "a member of module " + self.module->name, "\"" + printable(name) + "\"", suggestion(name, known, "look at the module's members"),
         {{self.module->span, "the module is declared here"}});
  }
  if (auto *record = object.record()) {
    const Value *value = record->find(name);
    if (value && !(record->component && value->isNone()))
      return *value;
    std::vector<std::string> known;
    for (const auto &entry : record->entries)
      known.push_back(entry.first);
    if (record->component) {
      std::string key = record->path.empty() ? name : record->path + "." + name;
      fail(130, span, "the key \"" + key + "\" in " + printable(record->component->configName, 1024), value ? "null" : "no such key",
           suggestion(value ? "" : name, known, "complete the config, or give a default with .get(\"" + name + "\", …)"));
    }
    fail(121, span, "a key of the record", "\"" + printable(name) + "\"", suggestion(name, known, ""));
  }
  if (auto *scope = object.as<FileScope *>()) {
    FileScope &file = **scope;
    // Imports of the imported file are its own business; builtins may be written with the standard library's name.
    if (!file.imports.count(name) && (file.values.count(name) || file.constants.count(name)))
      return lookup(name, Env{nullptr, nullptr, &file}, span);
    if (file.file->source->name() == "models/nn.hb")
      if (const Builtin *builtin = findBuiltin(name))
        return builtin;
    std::vector<std::string> known;
    for (const auto &entry : file.values)
      known.push_back(entry.first);
    for (const auto &entry : file.constants)
      known.push_back(entry.first);
    fail(121, span, "a declaration of " + file.file->source->name(), "\"" + printable(name) + "\"", suggestion(name, known, "check the name"));
  }
  wrongKind(object, span, "something with a \"" + printable(name) + "\": a module instance, a record or an imported file", "");
}

/// `.get("key", default)` of records and instances.
Value Elaborator::callMethod(const Value &object, const std::string &name, const Expr &call, const Env &env, bool &handled) {
  const Record *record = object.record();
  auto *instance = object.as<Instance *>();
  if (!record && !instance)
    return {};
  handled = true;
  if (call.named.empty() || call.named.size() > 2)
    fail(123, call.span, "get(\"key\") or get(\"key\", default)", std::to_string(call.named.size()) + " arguments", "");
  std::string key = text(evaluate(*call.named[0].value, env), call.named[0].value->span, "the key");
  const Value *value = record ? record->find(key) : (*instance)->find(key);
  if (value && value->as<Poison>())
    silent();
  if (value && !value->isNone())
    return *value;
  return call.named.size() == 2 ? evaluate(*call.named[1].value, env) : Value();
}

Value Elaborator::callValue(const Value &callee, const std::vector<ast::Named> &arguments, const Env &env, Span span, Span calleeSpan) {
  Level level(*this, span);
  if (auto *module = callee.as<ModuleValue>())
    return instantiate(*module, arguments, env, span);
  if (auto *function = callee.as<FunctionValue>())
    return callFunction(*function, arguments, env, span);
  if (auto *builtin = callee.as<const Builtin *>())
    return callBuiltin(**builtin, arguments, env, span);
  if (auto *instance = callee.as<Instance *>()) {
    auto function = (*instance)->functions.find("");
    if (function == (*instance)->functions.end())
      fail(125, calleeSpan, "a module with a nameless fn", "module " + (*instance)->module->name + " has none", "call one of its named functions",
           {{(*instance)->module->span, "the module is declared here"}});
    return callFunction({function->second, (*instance)->file, *instance}, arguments, env, span);
  }
  if (callee.as<Poison>())
    silent();
  fail(125, calleeSpan, "a function, a module or a module instance", describe(callee), "only these can be called");
}

} // namespace hb::frontend
