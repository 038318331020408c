// The table of builtins and what its functions use to read their arguments. Internal to the frontend library.
#pragma once

#include "frontend/Elaborator.h"

namespace hb::frontend {

/// The arguments of a builtin by position in its parameter list, with the errors a wrong one deserves.
struct Arguments {
  explicit Arguments(Call &call) : call(call), e(call.elaborator) {}

  bool has(size_t i) const { return call.given[i] && !call.values[i].isNone(); }
  const Value &value(size_t i) const { return call.values[i]; }
  Span span(size_t i) const { return call.spans[i]; }
  std::string what(size_t i) const;
  mlir::Value tensor(size_t i) { return e.tensorOf(value(i), span(i), what(i)); }
  mlir::Value weight(size_t i) { return e.weightOf(value(i), span(i), what(i)); }
  /// A float tensor: ids are refused.
  mlir::Value real(size_t i);
  mlir::Value ids(size_t i);
  int64_t integer(size_t i) { return e.integer(value(i), span(i), what(i)); }
  int64_t integer(size_t i, int64_t fallback) { return has(i) ? integer(i) : fallback; }
  double number(size_t i) { return e.number(value(i), span(i), what(i)); }
  double number(size_t i, double fallback) { return has(i) ? number(i) : fallback; }
  bool boolean(size_t i, bool fallback) { return has(i) ? e.boolean(value(i), span(i), what(i)) : fallback; }
  std::vector<int64_t> integers(size_t i) { return e.integers(value(i), span(i), what(i)); }
  const std::string &text(size_t i) { return e.text(value(i), span(i), what(i)); }
  const List &list(size_t i);
  /// An axis of a tensor of this rank; negative ones count from the end.
  int64_t axis(size_t i, int64_t rank) { return normalizeAxis(integer(i), rank, span(i)); }
  int64_t normalizeAxis(int64_t axis, int64_t rank, Span span);
  [[noreturn]] void mismatch(size_t i, const std::string &expected, const std::string &found);
  mlir::Location location() const { return e.location(call.span); }
  mlir::RankedTensorType type(std::vector<int64_t> shape, mlir::Type element) { return e.tensorType(std::move(shape), element, call.span); }

  Call &call;
  Elaborator &e;
};

inline mlir::RankedTensorType typeOf(mlir::Value value) { return llvm::cast<mlir::RankedTensorType>(value.getType()); }
inline std::vector<int64_t> shapeOf(mlir::Value value) { return typeOf(value).getShape().vec(); }
inline mlir::Type elementOf(mlir::Value value) { return typeOf(value).getElementType(); }

/// NumPy's rule; nothing when the shapes do not fit.
std::optional<std::vector<int64_t>> broadcastShapes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

// The rows of each file.
llvm::ArrayRef<Builtin> elaborationBuiltins();
llvm::ArrayRef<Builtin> graphBuiltins();
llvm::ArrayRef<Builtin> shapeBuiltins();

} // namespace hb::frontend
