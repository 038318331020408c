// Types: what a signature accepts, how it names dimensions, how a mismatch is told.
#include "frontend/Elaborator.h"

#include "runtime/base/Text.h"

namespace hb::frontend {

using ast::ExprKind, ast::TypeKind;
using llvm::cast, llvm::dyn_cast;

namespace {

struct ElementName {
  std::string_view name;
  mlir::Type (*make)(mlir::MLIRContext *);
};
constexpr ElementName kElements[] = {{"f32", [](mlir::MLIRContext *c) -> mlir::Type { return mlir::Float32Type::get(c); }},
                                     {"f16", [](mlir::MLIRContext *c) -> mlir::Type { return mlir::Float16Type::get(c); }},
                                     {"bf16", [](mlir::MLIRContext *c) -> mlir::Type { return mlir::BFloat16Type::get(c); }},
                                     {"f64", [](mlir::MLIRContext *c) -> mlir::Type { return mlir::Float64Type::get(c); }},
                                     {"i64", [](mlir::MLIRContext *c) -> mlir::Type { return mlir::IntegerType::get(c, 64); }}};

constexpr int64_t kMaxElements = int64_t{1} << 40;

std::string typeText(const ast::Type &type) { return std::string(type.span.text()) + (type.optional ? "?" : ""); }

} // namespace

mlir::Type Elaborator::elementType(const std::string &dtype) const {
  for (const ElementName &row : kElements)
    if (row.name == dtype)
      return row.make(&context);
  return activation_;
}

mlir::RankedTensorType Elaborator::tensorType(std::vector<int64_t> shape, mlir::Type element, Span span) {
  int64_t count = 1;
  for (int64_t extent : shape)
    if (extent < 1 || extent > kMaxElements || __builtin_mul_overflow(count, extent, &count) || count > kMaxElements)
      fail(127, span, "extents of at least 1 and at most 2^40 elements", shapeText(shape), "check the sizes given with --dim and in the config");
  return mlir::RankedTensorType::get(shape, element);
}

int64_t Elaborator::dimension(const ast::Expr &expr, const Env &env) {
  if (expr.kind == ExprKind::Ellipsis || expr.kind == ExprKind::Wildcard)
    fail(142, expr.span, "a size", "\"" + std::string(expr.span.text()) + "\"", "a value's shape must be known here");
  return integer(evaluate(expr, env), expr.span, "a dimension");
}

/// A dimension name that nothing has given a value yet. Builtins are no sizes: `tensor[len]` would be a free name.
static bool isFree(const ast::Expr &dim, const Env &env) {
  if (dim.kind != ExprKind::Name)
    return false;
  if (env.frame && env.frame->find(dim.text))
    return false;
  if (env.self && env.self->find(dim.text))
    return false;
  return !env.file->values.count(dim.text) && !env.file->constants.count(dim.text) && !env.file->imports.count(dim.text);
}

Value Elaborator::conform(const ast::Type &type, Value value, const Env &env, Span span, const std::string &what, std::optional<std::vector<int64_t>> *leading) {
  if (value.as<Poison>())
    silent();
  if (value.isNone() && (type.optional || type.kind == TypeKind::Any))
    return value;
  std::string wanted = typeText(type);
  auto wrong = [&]() {
    std::vector<DiagnosticNote> notes{{type.span, "the type is declared here"}};
    if (value.origin)
      fail(131, span, what + " to be " + wanted, describe(value), "correct the config", std::move(notes));
    std::string action = type.kind == TypeKind::Tensor || type.kind == TypeKind::AnyTensor ? "a tensor exists in the graph, the other during elaboration" : "";
    fail(122, span, what + " to be " + wanted, describe(value), value.isNone() || value.as<TensorValue>() ? "" : action, std::move(notes));
  };
  switch (type.kind) {
  case TypeKind::Any: return value;
  case TypeKind::Int: if (!value.as<int64_t>()) wrong(); return value;
  case TypeKind::Bool: if (!value.as<bool>()) wrong(); return value;
  case TypeKind::String: if (!value.string()) wrong(); return value;
  case TypeKind::List: if (!value.list()) wrong(); return value;
  case TypeKind::Record: if (!value.record()) wrong(); return value;
  case TypeKind::Float:
    if (auto *integer = value.as<int64_t>()) {
      Value real(static_cast<double>(*integer));
      real.origin = value.origin;
      return real;
    }
    if (!value.as<double>())
      wrong();
    return value;
  case TypeKind::Module: {
    auto *instance = value.as<Instance *>();
    size_t dot = type.name.rfind('.');
    if (!instance || (*instance)->module->name != (dot == std::string::npos ? type.name : type.name.substr(dot + 1)))
      wrong();
    return value;
  }
  case TypeKind::AnyTensor:
  case TypeKind::Tensor: break;
  }

  // Numbers become constants where a scalar is wanted.
  if ((value.as<int64_t>() || value.as<double>()) && type.kind == TypeKind::Tensor && type.dims.empty())
    return TensorValue{splat(number(value, span, what), {}, type.dtype.empty() ? activation_ : elementType(type.dtype))};
  std::vector<int64_t> shape;
  mlir::Type element;
  if (auto *param = value.as<ParamNode *>()) {
    shape = (*param)->shape;
    element = activation_;
  } else if (auto *tensor = value.as<TensorValue>()) {
    auto ranked = cast<mlir::RankedTensorType>(tensor->value.getType());
    shape = ranked.getShape().vec();
    element = ranked.getElementType();
  } else {
    wrong();
  }
  if (type.kind == TypeKind::AnyTensor)
    return value;
  bool elementFits = type.dtype.empty() ? llvm::isa<mlir::FloatType>(element) : element == elementType(type.dtype) || value.as<ParamNode *>();
  auto notes = [&] { return std::vector<DiagnosticNote>{{type.span, "the type is declared here"}}; };
  if (!elementFits)
    fail(143, span, what + " to be " + wanted, describe(value), type.dtype.empty() ? "write cast(x) where ids become numbers" : "write cast(x, " + type.dtype + ")", notes());

  // The sizes, one by one; known names are compared, free ones bound.
  size_t ellipsis = type.dims.size();
  for (size_t i = 0; i < type.dims.size(); ++i)
    if (type.dims[i]->kind == ExprKind::Ellipsis)
      ellipsis = i;
  bool open = ellipsis < type.dims.size();
  auto mismatch = [&]() {
    // Show what is known of the wanted shape in numbers, the rest by name.
    std::string numeric = "[";
    for (size_t i = 0; i < type.dims.size(); ++i) {
      const ast::Expr &dim = *type.dims[i];
      std::string text(dim.span.text());
      if (dim.kind != ExprKind::Ellipsis && dim.kind != ExprKind::Wildcard && !isFree(dim, env))
        try {
          text = std::to_string(dimension(dim, env));
        } catch (const Failure &) {
        }
      if (dim.kind == ExprKind::Ellipsis && leading && *leading) {
        text.clear();
        for (int64_t extent : **leading)
          text += (text.empty() ? "" : ", ") + std::to_string(extent);
        if (text.empty())
          continue;
      }
      numeric += (numeric.size() > 1 ? ", " : "") + text;
    }
    fail(140, span, what + " to be " + wanted + " = " + numeric + "]", shapeText(shape), "", notes());
  };
  size_t fixedCount = type.dims.size() - open;
  if (open ? shape.size() < fixedCount : shape.size() != fixedCount)
    mismatch();
  size_t position = 0;
  for (size_t i = 0; i < type.dims.size(); ++i) {
    const ast::Expr &dim = *type.dims[i];
    if (dim.kind == ExprKind::Ellipsis) {
      size_t count = shape.size() - fixedCount;
      std::vector<int64_t> part(shape.begin() + position, shape.begin() + position + count);
      position += count;
      if (leading && *leading && **leading != part)
        mismatch();
      if (leading)
        *leading = part;
      continue;
    }
    int64_t extent = shape[position++];
    if (dim.kind == ExprKind::Wildcard)
      continue;
    if (isFree(dim, env)) {
      if (env.frame)
        env.frame->set(dim.text, extent);
      continue;
    }
    int64_t known;
    try {
      known = dimension(dim, env);
    } catch (Failure &failure) {
      if (failure.diagnostic.number == 120) {
        failure.diagnostic.number = 142;
        failure.diagnostic.action += "; a name inside an expression must be bound before, for example as a size of its own";
      }
      throw;
    }
    if (known != extent)
      mismatch();
  }
  return value;
}

} // namespace hb::frontend
