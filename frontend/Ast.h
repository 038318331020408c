// The syntax tree of the model language. Plain data: the parser builds it, the elaborator, the graph printer and tests read it.
#pragma once

#include "frontend/Source.h"

#include <memory>
#include <string>
#include <vector>

namespace hb::ast {

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<Stmt>;

enum class ExprKind : uint8_t {
  Int, Float, String, Bool, None, Name,
  Tuple, List, Record,
  Comprehension, ///< [for pattern in items[0] if items[1] => items[2]]
  Block,         ///< body, then items[0]
  If,            ///< items: condition, then, else
  Param,         ///< items: dims
  Fold,          ///< for pattern in items[0] from carried => items[1]
  Repeat,        ///< repeat pattern in items[0]..items[1] max items[2]? from carried => items[3]
  Unary, Binary, ///< text is the operator
  Call,          ///< items[0] the callee, then args
  Field,         ///< items[0].text
  Index,         ///< items[0][indices]
  Ellipsis, Wildcard ///< only as dimensions: `...`, `_`
};

/// A name, `_` (bound to nothing), or a tuple of patterns.
struct Pattern {
  Span span;
  std::string name;
  std::vector<Pattern> items;
};

/// An argument of a call, a record's entry or a carried value of a loop: a name (may be empty) and a value (may be null).
struct Named {
  std::string name;
  Span nameSpan;
  ExprPtr value;
};

struct Index {
  enum Kind : uint8_t { At, Slice, NewAxis, Ellipsis } kind = At;
  Span span;
  ExprPtr first, last;
};

struct Expr {
  ExprKind kind = ExprKind::None;
  Span span;
  int64_t integer = 0; ///< also the value of a Bool
  double real = 0;
  std::string text;
  std::vector<ExprPtr> items; ///< null for an optional part that is not there
  std::vector<Named> named;   ///< arguments, record entries, carried values
  std::vector<Index> indices;
  Pattern pattern;
  Body body;
};

enum class TypeKind : uint8_t { Any, Tensor, AnyTensor, Int, Float, Bool, String, List, Record, Module };

struct Type {
  Span span;
  TypeKind kind = TypeKind::Any;
  bool optional = false;
  std::vector<ExprPtr> dims;
  std::string dtype; ///< as written; empty when left out
  std::string name;  ///< of a Module
};

struct Parameter {
  std::string name;
  Span span;
  std::unique_ptr<Type> type; ///< null: any
  ExprPtr condition;          ///< of an entry's input: it exists only when this holds
  ExprPtr fallback;
};

struct Result {
  std::string name; ///< may be empty
  Span span;
  Type type;
};

struct Function {
  std::string name, doc;
  Span span;
  std::vector<Parameter> parameters;
  bool hasResults = false, tupleResult = false;
  std::vector<Result> results;
  ExprPtr body;
};

enum class StmtKind : uint8_t { Let, Member, Fn, If, For, Ignore, Adapters, Require };

struct Stmt {
  StmtKind kind = StmtKind::Let;
  Span span;
  std::string doc;
  Pattern pattern;             ///< Let, For
  std::unique_ptr<Type> type;  ///< Let
  ExprPtr expr;                ///< Let and Member: the value; If: the condition; For: the list; Require: the call
  std::string name;            ///< Member: the name in the program; empty when `key` is computed
  ExprPtr key;                 ///< Member: the published path where it differs
  Body then, otherwise;        ///< If, For
  std::unique_ptr<Function> fn;
  std::vector<std::pair<std::string, Span>> patterns; ///< Ignore
};

struct Module {
  std::string name, doc;
  Span span;
  std::vector<Parameter> parameters;
  Body body;
};

struct Binding {
  bool fixed = false;
  std::string name;
  Span span;
  ExprPtr value;
};

struct Entry {
  std::string name, doc;
  Span span;
  std::vector<std::string> classes;
  ExprPtr condition;
  std::vector<std::pair<std::string, Span>> vjp; ///< inputs that NAME_vjp differentiates for; empty: there is no NAME_vjp
  std::vector<Binding> bindings;
  Function function; ///< parameters, results, body
};

struct Import {
  std::string path, alias;
  Span span;
};

struct Constant {
  Pattern pattern;
  Span span;
  std::string doc;
  std::unique_ptr<Type> type;
  ExprPtr value;
};

struct File {
  const SourceFile *source = nullptr;
  std::vector<Import> imports;
  std::vector<Constant> constants;
  std::vector<std::unique_ptr<Function>> functions;
  std::vector<std::unique_ptr<Module>> modules;
  std::vector<std::unique_ptr<Entry>> entries;
};

} // namespace hb::ast
