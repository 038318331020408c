#include "frontend/NameCheck.h"

#include "runtime/base/Text.h"

#include <algorithm>
#include <set>

namespace hb {
namespace {

using namespace ast;

/// Walks a file with the names visible at each place. Names of modules are visible in the whole module: members may be declared
/// under conditions, and functions see all of them.
class NameChecker {
public:
  NameChecker(const File &file, ProgramFiles &files, const std::vector<std::string> &builtins, DiagnosticSink &sink)
      : file_(file), files_(files), sink_(sink), global_(builtins.begin(), builtins.end()) {
    for (const char *name : {"f32", "f16", "bf16", "f64", "i64", "pi"})
      global_.insert(name);
  }

  void run() {
    for (const Import &import : file_.imports) {
      imports_[import.alias] = files_.import(file_, import);
      global_.insert(import.alias);
    }
    declare(file_, global_);
    for (const Constant &constant : file_.constants)
      visit(constant.value.get());
    for (const auto &function : file_.functions)
      visit(*function);
    for (const auto &module : file_.modules) {
      Scope scope(*this);
      add("self");
      parameters(module->parameters);
      collect(module->body);
      body(module->body);
    }
    for (const auto &entry : file_.entries) {
      Scope scope(*this);
      add("config");
      add("options");
      visit(entry->condition.get());
      for (const Binding &binding : entry->bindings) {
        visit(binding.value.get());
        add(binding.name);
      }
      visit(entry->function);
    }
  }

private:
  struct Scope {
    explicit Scope(NameChecker &checker) : checker(checker), size(checker.local_.size()) {}
    ~Scope() { checker.local_.resize(size); }
    NameChecker &checker;
    size_t size;
  };

  static void declare(const File &file, std::set<std::string> &names) {
    for (const auto &function : file.functions)
      names.insert(function->name);
    for (const auto &module : file.modules)
      names.insert(module->name);
    for (const Constant &constant : file.constants)
      patternNames(constant.pattern, [&](const std::string &name) { names.insert(name); });
  }

  template <typename Add> static void patternNames(const Pattern &pattern, Add add) {
    if (!pattern.name.empty())
      add(pattern.name);
    for (const Pattern &item : pattern.items)
      patternNames(item, add);
  }

  void add(const std::string &name) { local_.push_back(name); }
  void add(const Pattern &pattern) {
    patternNames(pattern, [&](const std::string &name) { add(name); });
  }
  bool isLocal(const std::string &name) const { return std::find(local_.begin(), local_.end(), name) != local_.end(); }

  /// Everything a module's body declares, under whatever condition.
  void collect(const Body &statements) {
    for (const Stmt &stmt : statements) {
      if (!stmt.name.empty())
        add(stmt.name);
      if (stmt.kind == StmtKind::Let)
        add(stmt.pattern);
      if (stmt.fn && !stmt.fn->name.empty())
        add(stmt.fn->name);
      collect(stmt.then);
      collect(stmt.otherwise);
    }
  }

  void body(const Body &statements) {
    for (const Stmt &stmt : statements) {
      visit(stmt.expr.get());
      Scope scope(*this);
      if (stmt.kind == StmtKind::For)
        add(stmt.pattern);
      visit(stmt.key.get());
      if (stmt.fn)
        visit(*stmt.fn);
      body(stmt.then);
      body(stmt.otherwise);
    }
  }

  /// Names that stand alone in a type bind there; the others must be known, but may be bound by a later parameter.
  void dims(const Type &type) {
    for (const auto &dim : type.dims)
      if (dim->kind == ExprKind::Name && !isLocal(dim->text))
        add(dim->text);
  }

  void parameters(const std::vector<Parameter> &list) {
    for (const Parameter &parameter : list) {
      if (parameter.type)
        dims(*parameter.type);
      size_t dot = parameter.name.find('.');
      add(parameter.name.substr(0, dot));
    }
    for (const Parameter &parameter : list) {
      visit(parameter.condition.get());
      visit(parameter.fallback.get());
      if (parameter.type)
        visit(*parameter.type);
    }
  }

  void visit(const Type &type) {
    for (const auto &dim : type.dims)
      visit(dim.get());
  }

  void visit(const Function &function) {
    Scope scope(*this);
    parameters(function.parameters);
    {
      Scope inner(*this);
      visit(function.body.get());
    }
    for (const Result &result : function.results)
      dims(result.type);
    for (const Result &result : function.results)
      visit(result.type);
  }

  void visit(const Expr *expr) {
    if (!expr)
      return;
    Scope scope(*this);
    switch (expr->kind) {
    case ExprKind::Name: name(*expr); return;
    case ExprKind::Field: field(*expr); return;
    case ExprKind::Block:
      for (const Stmt &stmt : expr->body) {
        visit(stmt.expr.get());
        if (stmt.type)
          dims(*stmt.type);
        if (stmt.kind == StmtKind::Let)
          add(stmt.pattern);
      }
      visit(expr->items[0].get());
      return;
    case ExprKind::Comprehension:
      visit(expr->items[0].get());
      add(expr->pattern);
      visit(expr->items[1].get());
      visit(expr->items[2].get());
      return;
    case ExprKind::Fold:
    case ExprKind::Repeat:
      for (size_t i = 0; i + 1 < expr->items.size(); ++i)
        visit(expr->items[i].get());
      for (const Named &carried : expr->named) {
        if (carried.value)
          visit(carried.value.get());
        else
          known(carried.name, carried.nameSpan);
      }
      for (const Named &carried : expr->named)
        add(carried.name);
      add(expr->pattern);
      visit(expr->items.back().get());
      return;
    default: break;
    }
    for (const auto &item : expr->items)
      visit(item.get());
    for (const Named &named : expr->named)
      visit(named.value.get());
    for (const Index &index : expr->indices) {
      visit(index.first.get());
      visit(index.last.get());
    }
  }

  void name(const Expr &expr) { known(expr.text, expr.span); }

  void known(const std::string &name, Span span) {
    if (isLocal(name) || global_.count(name))
      return;
    std::vector<std::string> names(local_);
    names.insert(names.end(), global_.begin(), global_.end());
    sink_.report({120, span, "a name that is known here", "\"" + printable(name) + "\"", suggestion(name, names, "declare it, or import the file it is in"), {}, {}});
  }

  void field(const Expr &expr) {
    const Expr &object = *expr.items[0];
    auto imported = object.kind == ExprKind::Name && !isLocal(object.text) ? imports_.find(object.text) : imports_.end();
    if (imported == imports_.end()) {
      visit(&object);
      return;
    }
    if (!imported->second)
      return;
    std::set<std::string> names;
    declare(*imported->second, names);
    // The standard library's name also stands before builtins.
    bool builtin = imported->second->source->name() == "models/nn.hb" && global_.count(expr.text);
    if (!names.count(expr.text) && !builtin)
      sink_.report({121, expr.span, "a declaration of " + imported->second->source->name(), "\"" + printable(expr.text) + "\"",
                    suggestion(expr.text, {names.begin(), names.end()}, "check the name"), {}, {}});
  }

  const File &file_;
  ProgramFiles &files_;
  DiagnosticSink &sink_;
  std::set<std::string> global_;
  std::map<std::string, const File *> imports_;
  std::vector<std::string> local_;
};

} // namespace

void checkNames(const File &file, ProgramFiles &files, const std::vector<std::string> &builtins, DiagnosticSink &sink) { NameChecker(file, files, builtins, sink).run(); }

} // namespace hb
