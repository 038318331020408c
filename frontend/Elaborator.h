// Runs programs over configs and sizes and writes what is left as nn ops. Internal to the frontend library.
//
// One Elaborator serves one import. Expressions are interpreted; graph values are MLIR values and every builtin that works on
// them appends an op. Errors unwind as `Failure` to the nearest `let`, member or entry, which poisons the name and goes on, so
// that independent mistakes appear together.
#pragma once

#include "dialects/nn/Nn.h"
#include "frontend/Components.h"
#include "frontend/Frontend.h"
#include "frontend/ProgramFiles.h"
#include "frontend/Value.h"

#include "mlir/IR/Builders.h"

#include <deque>
#include <functional>
#include <optional>

namespace hb::frontend {

/// The names of one file, evaluated when first used.
struct FileScope {
  const ast::File *file = nullptr;
  std::map<std::string, Value, std::less<>> values;
  std::map<std::string, const ast::Constant *, std::less<>> constants;
  std::set<std::string> evaluating;
  std::map<std::string, const ast::Import *, std::less<>> imports;
};

/// Local names; frames are linked from the innermost block outwards to the function.
struct Frame {
  Frame *parent = nullptr;
  std::vector<std::pair<std::string, Value>> names;

  const Value *find(std::string_view name) const;
  void set(const std::string &name, Value value) { names.emplace_back(name, std::move(value)); }
};

/// Where an expression stands.
struct Env {
  Frame *frame = nullptr;
  Instance *self = nullptr;
  FileScope *file = nullptr;

  Env inner(Frame &inside) const { return {&inside, self, file}; }
};

/// The arguments of one call of a builtin, by parameter.
struct Call {
  class Elaborator &elaborator;
  const Builtin &builtin;
  const Env &env;
  Span span;
  std::vector<Value> values;
  std::vector<Span> spans;
  std::vector<bool> given;
};

struct Builtin {
  const char *name;
  const char *parameters; ///< names separated by spaces; a `?` after an optional one
  Value (*function)(Call &);
};
const Builtin *findBuiltin(std::string_view name);
std::vector<std::string> builtinNames();

class Elaborator {
public:
  Elaborator(mlir::MLIRContext &context, const ImportOptions &options, ProgramFiles &files, DiagnosticSink &sink);

  // Entries.cpp: one function of the module.
  struct EntryPlan {
    const ast::Entry *entry;
    FileScope *file;
    Component *component;
    std::string name;          ///< with the component's prefix where needed; NAME_vjp for the derived entry
    bool vjp = false;
  };
  void elaborateEntry(const EntryPlan &plan);
  struct EntryInput {
    std::string name;
    std::optional<double> fallback; ///< of a scalar input: its value when the caller gives none
  };
  Value settings() const;
  /// The LoRA factors that the function under construction reads so far, as `<module path>.lora_A.weight`; `scope` empty: of all networks.
  std::vector<std::pair<std::string, mlir::Value>> adapterFactors(const std::string &scope);
  /// Appends to a function under construction what turns NAME into NAME_vjp: a cotangent input for each output, and the gradients of the
  /// entry's `vjp` inputs and of all adapter factors behind the outputs.
  void appendVjp(const ast::Entry &entry, std::vector<EntryInput> &arguments, llvm::SmallVectorImpl<mlir::Value> &outputs, std::vector<std::string> &names);
  void checkParameters(size_t firstParam, size_t firstInstance);
  /// True when the entry's `if` holds.
  bool conditionHolds(const ast::Entry &entry, FileScope *file, Component *component);
  /// Dimension names that some entry knew; a `--dim` of another name is an error.
  std::set<std::string> knownDims;

  FileScope *scopeOf(const ast::File *file);
  Component *newComponent();

  // Expressions.cpp
  /// The value of an expression at a place. Throws Failure with the expression's span; counts against the limits on depth and steps.
  Value evaluate(const ast::Expr &expr, const Env &env);
  /// Innermost first: local frames, the instance, its functions, the file, its imports and constants (evaluated on first use), builtins.
  Value lookup(const std::string &name, const Env &env, Span span);
  /// Gives the names of a pattern the parts of a value; tuples must have as many parts as the pattern.
  void bind(const ast::Pattern &pattern, const Value &value, const Env &env, Span span);
  /// Calls whatever can be called; arguments are evaluated at the caller's place.
  Value callValue(const Value &callee, const std::vector<ast::Named> &arguments, const Env &env, Span span, Span calleeSpan);

  // Types.cpp
  /// Checks a value against a type, binds free dimension names in `env.frame`, and returns the value as the type wants it.
  Value conform(const ast::Type &type, Value value, const Env &env, Span valueSpan, const std::string &what, std::optional<std::vector<int64_t>> *leading = nullptr);
  /// A size that must be known: an int expression over names that are bound.
  int64_t dimension(const ast::Expr &expr, const Env &env);
  /// f32, f16, bf16, f64 or i64; anything else is the activations' type.
  mlir::Type elementType(const std::string &dtype) const;
  /// Every tensor type goes through here: extents from 1, at most 2^40 elements, so that later products cannot overflow (HB0127).
  mlir::RankedTensorType tensorType(std::vector<int64_t> shape, mlir::Type element, Span span);

  // Modules.cpp
  /// Makes an instance and runs the module's body. Its path is known only when it becomes a member (`attach`), so nothing reads it before.
  Value instantiate(const ModuleValue &module, const std::vector<ast::Named> &arguments, const Env &env, Span span);
  /// Binds arguments and dimension names in a new frame, runs the body, checks the results.
  Value callFunction(const FunctionValue &function, const std::vector<ast::Named> &arguments, const Env &env, Span span);
  /// Statements in order; one that fails poisons its names and the next ones still run.
  void runBody(const ast::Body &body, Instance &instance, const Env &env);
  /// Makes a value (and what lists and records hold) a member: sets parents and path segments.
  void attach(const Value &value, Instance &parent, const std::string &segment, Span span);
  /// A copy of an instance for `with_dropout` and `without_adapters`: the same members and paths, called with other adapters.
  Instance &viewOf(const Instance &instance) { return instances.emplace_back(instance); }
  bool adaptersLeftOut() const;
  /// The innermost `with_dropout` around the call that is being elaborated; null: none.
  const std::array<Value, 3> *adapterDropout() const;
  /// The key prefix of an instance: segments joined by dots up to the root of its scope.
  std::string pathOf(const Instance &instance) const;
  std::string pathOf(const ParamNode &param) const;
  /// The nearest component up the tree; the entry's where no instance names one.
  Component *componentOf(const Instance *instance) const;
  /// True below a module that says `adapters`.
  bool hasAdapters(const Instance *instance) const;

  // The graph.
  mlir::Value tensorOf(const Value &value, Span span, const std::string &what);       ///< params widened to the activations' type
  mlir::Value weightOf(const Value &value, Span span, const std::string &what);       ///< params as stored
  mlir::Value parameter(ParamNode &node);
  /// An nn.param at the start of the function, one per scope and key.
  mlir::Value namedParameter(const std::string &scope, const std::string &key, mlir::RankedTensorType type, Span span);
  /// A constant of one repeated number, rounded once to the element type.
  mlir::Value splat(double value, llvm::ArrayRef<int64_t> shape, mlir::Type element);
  /// The value itself when it has the type already.
  mlir::Value castTo(mlir::Value value, mlir::Type element);
  /// NameLoc(path of the running instance) over FileLineColLoc(place in the program).
  mlir::Location location(Span span) const;
  mlir::Type activationType() const { return activation_; }

  // Errors.
  [[noreturn]] static void fail(int number, Span span, std::string expected, std::string found, std::string action, std::vector<DiagnosticNote> notes = {});
  [[noreturn]] static void silent();
  void report(const Failure &failure) { sink.report(failure.diagnostic); }
  /// The readers of elaboration values: the value, or HB0122, or HB0131 when it came from a config. `what` says whose value it is.
  int64_t integer(const Value &value, Span span, const std::string &what);
  double number(const Value &value, Span span, const std::string &what);
  bool boolean(const Value &value, Span span, const std::string &what);
  const std::string &text(const Value &value, Span span, const std::string &what);
  std::vector<int64_t> integers(const Value &value, Span span, const std::string &what);
  [[noreturn]] void wrongKind(const Value &value, Span span, const std::string &expected, const std::string &what);

  /// Guards recursion and total work: a program may not hang the compiler or overflow its stack.
  struct Level {
    Level(Elaborator &elaborator, Span span);
    ~Level() { --elaborator.depth_; }
    Elaborator &elaborator;
  };

  mlir::MLIRContext &context;
  const ImportOptions &options;
  ProgramFiles &files;
  DiagnosticSink &sink;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::OpBuilder builder;
  std::deque<Component> components;
  std::deque<Instance> instances;
  std::deque<ParamNode> params;
  int64_t latentScale = 8; ///< pixels of a picture for one of its latent, each way
  /// The component whose entry runs; instances made without a config belong to it.
  Component *entryComponent = nullptr;
  std::function<Component *(const std::string &)> openComponent; ///< by name, for component("…")

private:
  friend struct Level;
  Value evaluateKind(const ast::Expr &expr, const Env &env);
  Value evaluateUnary(const ast::Expr &expr, const Env &env);
  Value evaluateBinary(const ast::Expr &expr, const Env &env);
  Value arithmetic(const std::string &op, const Value &a, const Value &b, const ast::Expr &expr, const Env &env);
  Value graphBinary(const std::string &op, const Value &a, const Value &b, Span span, Span left, Span right);
  Value evaluateField(const ast::Expr &expr, const Env &env);
  Value field(const Value &object, const std::string &name, Span span, const Env &env);
  Value evaluateIndex(const ast::Expr &expr, const Env &env);
  Value indexList(const List &list, const ast::Expr &expr, const Env &env);
  /// One slice and one reshape, whatever the mixture of ints, slices and new axes; a graph scalar alone gives a gather.
  Value indexTensor(const Value &value, const ast::Expr &expr, const Env &env);
  Value evaluateComprehension(const ast::Expr &expr, const Env &env);
  Value evaluateBlock(const ast::Expr &expr, const Env &env);
  Value evaluateFold(const ast::Expr &expr, const Env &env);
  Value evaluateRepeat(const ast::Expr &expr, const Env &env);
  Value evaluateRecord(const ast::Expr &expr, const Env &env);
  Value evaluateParam(const ast::Expr &expr, const Env &env);
  Value callBuiltin(const Builtin &builtin, const std::vector<ast::Named> &arguments, const Env &env, Span span);
  /// `.get(key, default)` of records and instances; `handled` stays false for other objects.
  Value callMethod(const Value &object, const std::string &name, const ast::Expr &call, const Env &env, bool &handled);
  /// Matches arguments to parameters by position and name, fills defaults, checks types, and sets the names in the callee's frame.
  void bindParameters(const std::vector<ast::Parameter> &parameters, const std::vector<ast::Named> &arguments, const Env &caller, const Env &callee,
                      const std::string &what, Span span, Span declared, std::vector<Value> *bound);
  void runStatement(const ast::Stmt &stmt, Instance &instance, const Env &env);
  /// Checks a body's value against the declared results; several results become a list in their order.
  void finishResults(const ast::Function &function, Value &value, const Env &env, std::optional<std::vector<int64_t>> &leading);
  void declareMember(const ast::Stmt &stmt, Instance &instance, const Env &env);
  /// Names that occur in a dimension expression, with their places.
  void collectDims(const ast::Expr &expr, std::vector<std::pair<std::string, Span>> &names) const;

  mlir::Type activation_;
  std::map<const ast::File *, FileScope> scopes_;
  std::optional<std::vector<int64_t>> leading_; ///< what `...` stands for in the signature being checked
  Span here_; ///< the call whose ops are being made
  int depth_ = 0;
  uint64_t steps_ = 0;
  std::map<std::pair<std::string, std::string>, mlir::Value> parameterValues_; ///< by scope and key, of the function being built
  mlir::Operation *lastParameter_ = nullptr;
  mlir::Block *functionBlock_ = nullptr;
  std::vector<Instance *> selves_; ///< instances whose functions are running; the last names the location
};

} // namespace hb::frontend
