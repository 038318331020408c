// What expressions evaluate to while a program is elaborated.
#pragma once

#include "frontend/Ast.h"
#include "mlir/IR/Value.h"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace hb::frontend {

struct Builtin;
struct Component;
struct FileScope;
struct Instance;
struct ParamNode;
struct Value;

using List = std::vector<Value>;

/// A list and how deep it nests: whoever walks values recurses, and so does their destructor.
struct ListBox {
  List items;
  int depth = 1;
};
using ListPtr = std::shared_ptr<const ListBox>;

/// An ordered record. Records read from a config know the component and the dotted key they stand for.
struct Record {
  std::vector<std::pair<std::string, Value>> entries;
  Component *component = nullptr;
  std::string path;
  int depth = 1;

  const Value *find(std::string_view key) const;
};
using RecordPtr = std::shared_ptr<const Record>;

/// A value of the graph. `offset` is what a loop's iteration starts from: `repeat i in a..b` counts from 0 in the graph.
struct TensorValue {
  mlir::Value value;
  int64_t offset = 0;
};
struct FunctionValue {
  const ast::Function *function;
  FileScope *file;
  Instance *self; ///< null for a function of a file
};
struct ModuleValue {
  const ast::Module *module;
  FileScope *file;
};
struct DTypeValue {
  std::string name;
};
/// The result of something that was already reported; whatever uses it stays silent.
struct Poison {};

struct Value {
  using Payload = std::variant<std::monostate, int64_t, double, bool, std::shared_ptr<const std::string>, ListPtr, RecordPtr, DTypeValue, TensorValue, Instance *,
                               ParamNode *, ModuleValue, FunctionValue, const Builtin *, FileScope *, Poison>;
  Payload payload;
  /// Where a value that came from a config is in it, e.g. `config.json: hidden_size`; null otherwise.
  std::shared_ptr<const std::string> origin;

  Value() = default;
  template <typename T> Value(T value) : payload(std::move(value)) {}
  Value(std::string text) : payload(std::make_shared<const std::string>(std::move(text))) {}
  /// Both refuse (HB0124) what nests more than 200 deep.
  Value(List items);
  Value(Record record);

  template <typename T> const T *as() const { return std::get_if<T>(&payload); }
  bool isNone() const { return std::holds_alternative<std::monostate>(payload); }
  const std::string *string() const;
  const List *list() const;
  const Record *record() const;
  /// 0 for everything but lists and records.
  int depth() const;
};

/// Equality of elaboration values; values of different kinds are different, except that 1 == 1.0. Lists may share parts and be
/// exponentially larger than they look: after a million comparisons this fails with HB0124.
bool equal(const Value &a, const Value &b);
/// `an int`, `a tensor`: the kind, for "expected a tensor".
std::string kindName(const Value &value);
/// The kind and the value, for "found the int 5 (config.json: width)".
std::string describe(const Value &value);
/// A tensor type as people write it: `[1, 4, 8, 8] f32`.
std::string describeType(mlir::Type type);

/// A place in the tree of members; its path is its parameters' key. Parents are set when the value becomes a member.
struct Node {
  Instance *parent = nullptr;
  std::string segment; ///< may hold dots, may be empty
  bool attached = false;
  Span span;           ///< where it was made
};

/// One `param[…]` of one instance.
struct ParamNode : Node {
  std::vector<int64_t> shape;
};

struct Instance : Node {
  const ast::Module *module = nullptr;
  FileScope *file = nullptr;
  Instance *creator = nullptr;    ///< the instance whose body or function made this one; null in an entry
  Component *component = nullptr; ///< of the first config among the arguments; null: the parent's
  bool adapters = false, complete = false;
  bool withoutAdapters = false;                ///< made by without_adapters: what it calls reads no factors
  std::optional<std::array<Value, 3>> dropout; ///< made by with_dropout: probability, seed and step for the adapters of what it calls
  /// Arguments, lets and members in the order of declaration; a later name hides an earlier one.
  std::vector<std::pair<std::string, Value>> names;
  std::vector<std::string> members;
  std::map<std::string, const ast::Function *> functions;
  std::vector<std::string> ignored;

  const Value *find(std::string_view name) const;
};

} // namespace hb::frontend
