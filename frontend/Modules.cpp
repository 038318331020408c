// Modules and functions: arguments, members, paths.
#include "frontend/Elaborator.h"

#include "runtime/base/Text.h"

namespace hb::frontend {

using ast::StmtKind;

namespace {

/// Keeps the stack of running instances balanced through exceptions.
struct Running {
  Running(std::vector<Instance *> &selves, Instance *self) : selves(selves), active(self != nullptr) {
    if (active)
      selves.push_back(self);
  }
  ~Running() {
    if (active)
      selves.pop_back();
  }
  std::vector<Instance *> &selves;
  bool active;
};

std::string signatureText(const std::vector<ast::Parameter> &parameters) {
  std::string text = "(";
  for (const ast::Parameter &parameter : parameters)
    text += (text.size() > 1 ? ", " : "") + parameter.name + (parameter.fallback ? " = …" : "");
  return text + ")";
}

std::string joinKey(const std::string &path, const std::string &segment) { return path.empty() || segment.empty() ? path + segment : path + "." + segment; }

} // namespace

void Elaborator::bindParameters(const std::vector<ast::Parameter> &parameters, const std::vector<ast::Named> &arguments, const Env &caller, const Env &callee,
                                const std::string &what, Span span, Span declared, std::vector<Value> *bound) {
  std::vector<DiagnosticNote> here{{declared, what + " is declared here"}};
  std::vector<const ast::Named *> given(parameters.size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    const ast::Named &argument = arguments[i];
    size_t index = i;
    if (!argument.name.empty()) {
      std::vector<std::string> known;
      for (index = 0; index < parameters.size() && parameters[index].name != argument.name; ++index)
        known.push_back(parameters[index].name);
      if (index == parameters.size())
        fail(123, argument.nameSpan, "a parameter of " + what + signatureText(parameters), "\"" + argument.name + "\"", suggestion(argument.name, known, ""), here);
    }
    if (index >= parameters.size())
      fail(123, argument.value->span, what + signatureText(parameters), std::to_string(arguments.size()) + " arguments", "", here);
    if (given[index])
      fail(123, argument.nameSpan, "each argument once", "\"" + parameters[index].name + "\" twice", "", here);
    given[index] = &argument;
  }
  std::vector<std::string> missing;
  for (size_t i = 0; i < parameters.size(); ++i)
    if (!given[i] && !parameters[i].fallback)
      missing.push_back(parameters[i].name);
  if (!missing.empty()) {
    std::string names;
    for (const std::string &name : missing)
      names += (names.empty() ? "" : ", ") + name;
    fail(123, span, what + signatureText(parameters), "no value for " + names, "", here);
  }
  // All arguments are evaluated where the call stands before any name of the callee is bound.
  std::vector<Value> values(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i)
    if (given[i])
      values[i] = evaluate(*given[i]->value, caller);
  std::optional<std::vector<int64_t>> &leading = leading_;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const ast::Parameter &parameter = parameters[i];
    Span at = given[i] ? given[i]->value->span : parameter.span;
    if (!given[i])
      values[i] = evaluate(*parameter.fallback, callee);
    if (parameter.type)
      values[i] = conform(*parameter.type, std::move(values[i]), callee, at, parameter.name, &leading);
    callee.frame->set(parameter.name, values[i]);
    if (bound)
      bound->push_back(values[i]);
  }
}

Value Elaborator::instantiate(const ModuleValue &module, const std::vector<ast::Named> &arguments, const Env &env, Span span) {
  Level level(*this, span);
  // A config that asks for a billion layers must not eat the memory first. The largest network here has 3,000 instances.
  if (instances.size() >= 200'000)
    fail(124, span, "at most 200,000 module instances", "more", "look at the counts in the config");
  Instance &instance = instances.emplace_back();
  instance.module = module.module;
  instance.file = module.file;
  instance.span = span;
  instance.creator = selves_.empty() ? nullptr : selves_.back();
  Frame frame;
  leading_.reset();
  std::vector<Value> values;
  bindParameters(module.module->parameters, arguments, env, Env{&frame, nullptr, module.file}, module.module->name, span, module.module->span, &values);
  instance.names = std::move(frame.names);
  for (const Value &value : values)
    if (const Record *record = value.record(); record && record->component && !instance.component)
      instance.component = record->component;
  if (!instance.component && !instance.creator)
    instance.component = entryComponent;
  Running running(selves_, &instance);
  Frame locals;
  runBody(module.module->body, instance, Env{&locals, &instance, module.file});
  instance.complete = true;
  return &instance;
}

void Elaborator::runBody(const ast::Body &body, Instance &instance, const Env &env) {
  for (const ast::Stmt &stmt : body) {
    try {
      runStatement(stmt, instance, env);
    } catch (const Failure &failure) {
      if (failure.diagnostic.number == 124)
        throw;
      report(failure);
      if (!stmt.name.empty())
        instance.names.emplace_back(stmt.name, Poison{});
      std::function<void(const ast::Pattern &)> poison = [&](const ast::Pattern &pattern) {
        if (!pattern.name.empty())
          instance.names.emplace_back(pattern.name, Poison{});
        for (const ast::Pattern &item : pattern.items)
          poison(item);
      };
      if (stmt.kind == StmtKind::Let)
        poison(stmt.pattern);
    }
  }
}

void Elaborator::runStatement(const ast::Stmt &stmt, Instance &instance, const Env &env) {
  switch (stmt.kind) {
  case StmtKind::Let: {
    Value value = evaluate(*stmt.expr, env);
    if (stmt.type)
      value = conform(*stmt.type, std::move(value), env, stmt.expr->span, "the value of the let");
    // Inside a `for` the names are the iteration's; functions could not tell which one is meant.
    bool loop = env.frame->parent != nullptr;
    Frame names;
    bind(stmt.pattern, value, loop ? env : env.inner(names), stmt.expr->span);
    for (auto &name : names.names)
      instance.names.push_back(std::move(name));
    break;
  }
  case StmtKind::Member: declareMember(stmt, instance, env); break;
  case StmtKind::Fn:
    if (!instance.functions.emplace(stmt.fn->name, stmt.fn.get()).second)
      fail(114, stmt.fn->span, "one function of a name", stmt.fn->name.empty() ? "a second nameless fn" : "\"" + stmt.fn->name + "\" a second time", "rename one of the two");
    break;
  case StmtKind::If:
    runBody(boolean(evaluate(*stmt.expr, env), stmt.expr->span, "a condition") ? stmt.then : stmt.otherwise, instance, env);
    break;
  case StmtKind::For: {
    Value source = evaluate(*stmt.expr, env);
    if (!source.list())
      wrongKind(source, stmt.expr->span, "a list or a range", "");
    for (const Value &item : *source.list()) {
      Frame frame{env.frame, {}};
      Env inner = env.inner(frame);
      bind(stmt.pattern, item, inner, stmt.expr->span);
      runBody(stmt.then, instance, inner);
    }
    break;
  }
  case StmtKind::Ignore:
    for (const auto &[pattern, span] : stmt.patterns)
      instance.ignored.push_back(pattern);
    break;
  case StmtKind::Adapters: instance.adapters = true; break;
  case StmtKind::Require: evaluate(*stmt.expr, env); break;
  }
}

void Elaborator::declareMember(const ast::Stmt &stmt, Instance &instance, const Env &env) {
  std::string key = stmt.key ? text(evaluate(*stmt.key, env), stmt.key->span, "the member's name") : stmt.name;
  std::string name = stmt.name.empty() ? key : stmt.name;
  for (const std::string &other : instance.members)
    if (other == name)
      fail(114, stmt.span, "members with different names", "\"" + printable(name) + "\" a second time", "rename one of the two");
  Value value = evaluate(*stmt.expr, env);
  attach(value, instance, key, stmt.expr->span);
  instance.members.push_back(name);
  instance.names.emplace_back(name, std::move(value));
}

void Elaborator::attach(const Value &value, Instance &parent, const std::string &segment, Span span) {
  Level level(*this, span);
  Node *node = nullptr;
  if (auto *instance = value.as<Instance *>())
    node = *instance;
  else if (auto *param = value.as<ParamNode *>())
    node = *param;
  if (node) {
    if (node->attached)
      fail(129, span, "a value that is a member once", "one that already is \"" + printable(node->segment) + "\"", "refer to the other member, or make a second instance");
    node->parent = &parent;
    node->segment = segment;
    node->attached = true;
  } else if (const List *list = value.list()) {
    for (size_t i = 0; i < list->size(); ++i)
      attach((*list)[i], parent, joinKey(segment, std::to_string(i)), span);
  } else if (const Record *record = value.record(); record && !record->component) {
    for (const auto &[name, item] : record->entries)
      attach(item, parent, joinKey(segment, name), span);
  } else if (!value.isNone()) {
    if (value.as<Poison>())
      silent();
    fail(129, span, "module instances, param[…], or lists and records of them as a member", describe(value), "use let for values that have no weights");
  }
}

Component *Elaborator::componentOf(const Instance *instance) const {
  for (; instance; instance = instance->parent)
    if (instance->component)
      return instance->component;
  return entryComponent;
}

std::string Elaborator::pathOf(const Instance &instance) const {
  // An instance of another component than its parent's starts a scope of its own.
  if (!instance.parent || (instance.component && instance.component != componentOf(instance.parent)))
    return "";
  return joinKey(pathOf(*instance.parent), instance.segment);
}

std::string Elaborator::pathOf(const ParamNode &param) const { return param.parent ? joinKey(pathOf(*param.parent), param.segment) : ""; }

bool Elaborator::hasAdapters(const Instance *instance) const {
  for (; instance; instance = instance->parent)
    if (instance->adapters)
      return true;
  return false;
}

bool Elaborator::adaptersLeftOut() const {
  return std::any_of(selves_.begin(), selves_.end(), [](const Instance *self) { return self->withoutAdapters; });
}

const std::array<Value, 3> *Elaborator::adapterDropout() const {
  for (auto self = selves_.rbegin(); self != selves_.rend(); ++self)
    if ((*self)->dropout)
      return &*(*self)->dropout;
  return nullptr;
}

Value Elaborator::callFunction(const FunctionValue &value, const std::vector<ast::Named> &arguments, const Env &env, Span span) {
  Level level(*this, span);
  const ast::Function &function = *value.function;
  std::string what = value.self ? value.self->module->name + (function.name.empty() ? "" : "." + function.name) : function.name;
  if (value.self && !value.self->attached && value.self->creator)
    fail(129, span, "an instance that is a member", "module " + value.self->module->name + " made on the spot", "declare it as a member, so that its parameters have a path");
  Frame frame;
  Env callee{&frame, value.self, value.file};
  // `...` stands for the same sizes in the whole signature of one call.
  std::optional<std::vector<int64_t>> saved = std::exchange(leading_, std::nullopt);
  struct Restore {
    std::optional<std::vector<int64_t>> &target, saved;
    ~Restore() { target = std::move(saved); }
  } restore{leading_, std::move(saved)};
  std::vector<Value> evaluated;
  {
    // Arguments of this call are calls themselves: they must not see this signature's sizes.
    bindParameters(function.parameters, arguments, env, callee, what, span, function.span, nullptr);
  }
  std::optional<std::vector<int64_t>> leading = leading_;
  Running running(selves_, value.self);
  Value result = evaluate(*function.body, callee);
  finishResults(function, result, callee, leading);
  return result;
}

void Elaborator::finishResults(const ast::Function &function, Value &value, const Env &env, std::optional<std::vector<int64_t>> &leading) {
  if (!function.hasResults)
    return;
  const ast::Expr *last = function.body.get();
  while (last->kind == ast::ExprKind::Block)
    last = last->items[0].get();
  auto name = [](const ast::Result &result) { return result.name.empty() ? std::string("the result") : "the result " + result.name; };
  if (!function.tupleResult && function.results.size() == 1) {
    const ast::Result &result = function.results[0];
    if (const Record *record = value.record(); record && !result.name.empty() && record->entries.size() == 1 && record->entries[0].first == result.name)
      value = Value(record->entries[0].second);
    value = conform(result.type, std::move(value), env, last->span, name(result), &leading);
    return;
  }
  List values;
  if (const Record *record = value.record()) {
    for (const ast::Result &result : function.results) {
      const Value *item = record->find(result.name);
      if (!item)
        fail(150, last->span, "a result \"" + result.name + "\"", "none of that name", "give the record every declared result", {{result.span, "declared here"}});
      values.push_back(*item);
    }
  } else if (const List *list = value.list()) {
    values = *list;
  }
  if (values.size() != function.results.size())
    fail(150, last->span, std::to_string(function.results.size()) + " results", describe(value), "end the body with a tuple or a record of the results",
         {{function.span, "the results are declared here"}});
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = conform(function.results[i].type, std::move(values[i]), env, last->span, name(function.results[i]), &leading);
  value = Value(std::move(values));
}

} // namespace hb::frontend
