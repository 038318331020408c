// Builtins and indexing that move elements without computing, and constants.
#include "frontend/Builtins.h"

#include "runtime/base/Text.h"

namespace hb::frontend {

namespace {

/// No op where the shape is already right.
TensorValue reshapeTo(Elaborator &e, mlir::Value x, std::vector<int64_t> shape, Span span) {
  if (shapeOf(x) == shape)
    return {x};
  return {nn::ReshapeOp::create(e.builder, e.location(span), e.tensorType(shape, elementOf(x), span), x)};
}

/// All tensors have one element type and differ along the axis only.
Value concat(Call &call) {
  Arguments a(call);
  const List &list = a.list(0);
  if (list.empty())
    a.e.fail(127, a.span(0), "at least one tensor", "an empty list", "");
  llvm::SmallVector<mlir::Value> parts;
  for (const Value &item : list)
    parts.push_back(a.e.tensorOf(item, a.span(0), a.what(0)));
  auto shape = shapeOf(parts[0]);
  int64_t axis = a.axis(1, shape.size());
  for (size_t i = 1; i < parts.size(); ++i) {
    auto other = shapeOf(parts[i]);
    auto compared = other;
    if (compared.size() == shape.size())
      compared[axis] = shape[axis];
    if (compared != shape)
      a.mismatch(0, "tensors that differ only along axis " + std::to_string(axis), shapeText(shapeOf(parts[0])) + " and " + shapeText(other));
    if (elementOf(parts[i]) != elementOf(parts[0]))
      a.e.fail(143, a.span(0), "tensors of one element type", describeType(parts[0].getType()) + " and " + describeType(parts[i].getType()), "cast one of them");
  }
  shape[axis] = 0;
  for (mlir::Value part : parts)
    shape[axis] += shapeOf(part)[axis];
  if (parts.size() == 1)
    return TensorValue{parts[0]};
  return TensorValue{nn::ConcatOp::create(a.e.builder, a.location(), a.type(shape, elementOf(parts[0])), parts, a.e.builder.getI64IntegerAttr(axis))};
}

mlir::Value slice(Elaborator &e, mlir::Value x, const std::vector<int64_t> &offsets, const std::vector<int64_t> &sizes, Span span) {
  if (shapeOf(x) == sizes)
    return x;
  return nn::SliceOp::create(e.builder, e.location(span), e.tensorType(sizes, elementOf(x), span), x, offsets);
}

/// `n` slices of equal extent.
Value split(Call &call) {
  Arguments a(call);
  mlir::Value x = a.tensor(0);
  auto shape = shapeOf(x);
  int64_t parts = a.integer(1), axis = a.axis(2, shape.size());
  if (parts < 1 || shape[axis] % parts != 0)
    a.mismatch(1, "a divisor of " + std::to_string(shape[axis]), std::to_string(parts));
  shape[axis] /= parts;
  List list;
  std::vector<int64_t> offsets(shape.size());
  for (int64_t i = 0; i < parts; ++i) {
    offsets[axis] = i * shape[axis];
    list.push_back(TensorValue{slice(a.e, x, offsets, shape, call.span)});
  }
  return list;
}

/// table [V, D…], ids [I…] → [I…, D…]. The table keeps its stored type: it may be the largest parameter there is.
Value gather(Call &call) {
  Arguments a(call);
  mlir::Value table = a.weight(0), index = a.ids(1);
  auto shape = shapeOf(table), result = shapeOf(index);
  if (shape.empty())
    a.mismatch(0, "a table [V, …]", "a scalar");
  result.insert(result.end(), shape.begin() + 1, shape.end());
  return TensorValue{nn::GatherOp::create(a.e.builder, a.location(), a.type(result, a.e.activationType()), table, index, a.e.builder.getI64IntegerAttr(0))};
}

/// x [B, T, D…], index [B] → [B, D…]: one row of every batch entry.
Value gatherRows(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0), index = a.ids(1);
  auto shape = shapeOf(x);
  if (shape.size() < 2 || shapeOf(index) != std::vector<int64_t>{shape[0]})
    a.mismatch(1, "x [B, T, …] and index [B]", shapeText(shape) + " and " + shapeText(shapeOf(index)));
  shape.erase(shape.begin() + 1);
  return TensorValue{nn::GatherOp::create(a.e.builder, a.location(), a.type(shape, elementOf(x)), x, index, a.e.builder.getI64IntegerAttr(1))};
}

/// One extent may be -1: what the others leave.
Value reshape(Call &call) {
  Arguments a(call);
  mlir::Value x = a.tensor(0);
  std::vector<int64_t> shape = a.integers(1);
  int64_t known = 1, count = typeOf(x).getNumElements();
  int64_t *open = nullptr;
  for (int64_t &extent : shape) {
    if (extent == -1 && !open) {
      open = &extent;
      continue;
    }
    if (extent < 1 || __builtin_mul_overflow(known, extent, &known))
      a.mismatch(1, "positive sizes and at most one -1", shapeText(shape));
  }
  if (open && count % known == 0)
    *open = count / known, known = count;
  if (known != count)
    a.mismatch(1, std::to_string(count) + " elements, as x " + shapeText(shapeOf(x)) + " has", shapeText(shape));
  return reshapeTo(a.e, x, shape, call.span);
}

Value permute(Call &call) {
  Arguments a(call);
  mlir::Value x = a.tensor(0);
  std::vector<int64_t> axes = a.integers(1);
  auto shape = shapeOf(x);
  std::vector<int64_t> result;
  std::set<int64_t> seen;
  for (int64_t &axis : axes) {
    axis = a.normalizeAxis(axis, shape.size(), a.span(1));
    seen.insert(axis);
    result.push_back(shape[axis]);
  }
  if (seen.size() != shape.size() || axes.size() != shape.size())
    a.mismatch(1, "each of the " + std::to_string(shape.size()) + " axes once", shapeText(axes));
  return TensorValue{nn::TransposeOp::create(a.e.builder, a.location(), a.type(result, elementOf(x)), x, axes)};
}

Value broadcast(Call &call) {
  Arguments a(call);
  mlir::Value x = a.tensor(0);
  std::vector<int64_t> shape = a.integers(1);
  auto type = a.type(shape, elementOf(x));
  auto joined = broadcastShapes(shapeOf(x), shape);
  if (!joined || *joined != shape)
    a.mismatch(1, "sizes that x " + shapeText(shapeOf(x)) + " can be repeated to", shapeText(shape));
  if (shapeOf(x) == shape)
    return TensorValue{x};
  return TensorValue{nn::BroadcastOp::create(a.e.builder, a.location(), type, x)};
}

std::vector<int64_t> pictureSize(Arguments &a, mlir::Value x) {
  auto shape = shapeOf(x);
  if (shape.size() != 4)
    a.mismatch(0, "a picture [B, C, H, W]", shapeText(shape));
  auto size = a.integers(1);
  if (size.size() != 2)
    a.mismatch(1, "[height, width]", std::to_string(size.size()) + " numbers");
  return {shape[0], shape[1], size[0], size[1]};
}

Value resizeNearest(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0);
  return TensorValue{nn::ResizeNearestOp::create(a.e.builder, a.location(), a.type(pictureSize(a, x), elementOf(x)), x, nn::LayoutAttr::get(&a.e.context, nn::Layout::nchw))};
}

Value adaptiveAvgPool(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0);
  return TensorValue{nn::AdaptiveAvgPoolOp::create(a.e.builder, a.location(), a.type(pictureSize(a, x), elementOf(x)), x, nn::LayoutAttr::get(&a.e.context, nn::Layout::nchw))};
}

/// A dtype value, or the activations' type when left out.
mlir::Type dtypeArgument(Arguments &a, size_t i) {
  if (!a.has(i))
    return a.e.activationType();
  auto *dtype = a.value(i).as<DTypeValue>();
  if (!dtype)
    a.e.wrongKind(a.value(i), a.span(i), "f32, f16, bf16, f64 or i64", a.what(i));
  return a.e.elementType(dtype->name);
}

Value cast(Call &call) {
  Arguments a(call);
  mlir::Value x = a.weight(0);
  mlir::Type element = dtypeArgument(a, 1);
  if (element.isInteger(64) && !elementOf(x).isInteger(64))
    a.e.fail(143, a.span(1), "a float type", "i64", "floats do not become ids");
  if (elementOf(x) == element)
    return TensorValue{x};
  return TensorValue{nn::CastOp::create(a.e.builder, a.location(), mlir::RankedTensorType::get(shapeOf(x), element), x)};
}

// ---- constants ----

/// Collects the numbers of nested lists and the shape they span.
void flatten(Arguments &a, const Value &value, size_t depth, std::vector<int64_t> &shape, std::vector<double> &numbers) {
  Elaborator::Level level(a.e, a.span(0));
  const List *list = value.list();
  if (!list) {
    if (depth != shape.size())
      a.mismatch(0, "lists nested equally deep", "a number beside lists");
    numbers.push_back(a.e.number(value, a.span(0), a.what(0)));
    return;
  }
  int64_t extent = list->size();
  if (depth == shape.size() && numbers.empty())
    shape.push_back(extent);
  else if (depth >= shape.size() || shape[depth] != extent)
    a.mismatch(0, "lists of one length", "lists of different lengths");
  if (depth > 8)
    a.mismatch(0, "at most 8 nested lists", "more");
  for (const Value &item : *list)
    flatten(a, item, depth + 1, shape, numbers);
}

mlir::Value constantOf(Elaborator &e, const std::vector<double> &numbers, const std::vector<int64_t> &shape, mlir::Type element, Span span) {
  auto type = e.tensorType(shape, element, span);
  mlir::DenseElementsAttr attribute;
  if (element.isInteger(64)) {
    std::vector<int64_t> integers(numbers.begin(), numbers.end());
    attribute = mlir::DenseElementsAttr::get(type, llvm::ArrayRef<int64_t>(integers));
  } else {
    llvm::SmallVector<llvm::APFloat> floats;
    for (double number : numbers) {
      llvm::APFloat real(number);
      bool lossy;
      real.convert(llvm::cast<mlir::FloatType>(element).getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &lossy);
      floats.push_back(real);
    }
    attribute = mlir::DenseElementsAttr::get(type, llvm::ArrayRef<llvm::APFloat>(floats));
  }
  return nn::ConstantOp::create(e.builder, e.location(span), type, attribute);
}

Value constant(Call &call) {
  Arguments a(call);
  std::vector<int64_t> shape;
  std::vector<double> numbers;
  flatten(a, a.value(0), 0, shape, numbers);
  return TensorValue{constantOf(a.e, numbers, shape, dtypeArgument(a, 1), call.span)};
}

Value filled(Call &call) {
  Arguments a(call);
  std::string_view name = call.builtin.name;
  double value = name == "full" ? a.number(1) : name == "ones" ? 1 : 0;
  std::vector<int64_t> shape = a.integers(0);
  a.type(shape, a.e.activationType());
  return TensorValue{a.e.splat(value, shape, a.e.activationType())};
}

Value iota(Call &call) {
  Arguments a(call);
  int64_t count = a.integer(0);
  if (count < 1 || count > 1'000'000)
    a.mismatch(0, "between 1 and 1,000,000", std::to_string(count));
  std::vector<double> numbers(count);
  for (int64_t i = 0; i < count; ++i)
    numbers[i] = static_cast<double>(i);
  return TensorValue{constantOf(a.e, numbers, {count}, a.e.builder.getI64Type(), call.span)};
}

std::vector<int64_t> anyShape(Arguments &a) {
  if (auto *param = a.value(0).as<ParamNode *>())
    return (*param)->shape;
  return shapeOf(a.weight(0));
}

Value shapeList(Call &call) {
  Arguments a(call);
  List list;
  for (int64_t extent : anyShape(a))
    list.push_back(extent);
  return list;
}

const Builtin kRows[] = {
    {"concat", "list axis", concat},
    {"split", "x n axis", split},
    {"gather", "table ids", gather},
    {"gather_rows", "x index", gatherRows},
    {"reshape", "x dims", reshape},
    {"permute", "x axes", permute},
    {"broadcast", "x dims", broadcast},
    {"resize_nearest", "x size", resizeNearest},
    {"adaptive_avg_pool", "x size", adaptiveAvgPool},
    {"cast", "x dtype?", cast},
    {"constant", "list dtype?", constant},
    {"full", "dims value", filled},
    {"zeros", "dims", filled},
    {"ones", "dims", filled},
    {"iota", "n", iota},
    {"shape", "x", shapeList},
    {"rank", "x", [](Call &c) -> Value { Arguments a(c); return static_cast<int64_t>(anyShape(a).size()); }},
};

} // namespace

llvm::ArrayRef<Builtin> shapeBuiltins() { return kRows; }

// ---- indexing ----

Value Elaborator::evaluateIndex(const ast::Expr &expr, const Env &env) {
  Value object = evaluate(*expr.items[0], env);
  if (const List *list = object.list())
    return indexList(*list, expr, env);
  bool single = expr.indices.size() == 1 && expr.indices[0].kind == ast::Index::At;
  if (object.record() || object.as<Instance *>()) {
    if (!single)
      fail(127, expr.span, "one key", "another index", "");
    Value key = evaluate(*expr.indices[0].first, env);
    std::string name = key.as<int64_t>() ? std::to_string(*key.as<int64_t>()) : text(key, expr.indices[0].span, "the key of a record");
    return field(object, name, expr.span, env);
  }
  if (!object.as<TensorValue>() && !object.as<ParamNode *>())
    wrongKind(object, expr.items[0]->span, "a list, a record or a tensor", "what is indexed");
  return indexTensor(object, expr, env);
}

Value Elaborator::indexList(const List &list, const ast::Expr &expr, const Env &env) {
  const ast::Index &index = expr.indices[0];
  int64_t size = list.size();
  auto position = [&](const ast::ExprPtr &bound, int64_t fallback) {
    if (!bound)
      return fallback;
    int64_t value = integer(evaluate(*bound, env), bound->span, "an index");
    int64_t absolute = value < 0 ? value + size : value;
    if (absolute < 0 || absolute > size)
      fail(127, bound->span, "an index of a list of " + std::to_string(size), std::to_string(value), "");
    return absolute;
  };
  if (expr.indices.size() != 1 || index.kind == ast::Index::NewAxis || index.kind == ast::Index::Ellipsis)
    fail(127, expr.span, "one index or one slice: this is a list", "another index", "index a tensor, or one list after the other");
  if (index.kind == ast::Index::Slice) {
    int64_t begin = position(index.first, 0), end = std::max(begin, position(index.last, size));
    return List(list.begin() + begin, list.begin() + end);
  }
  Value at = evaluate(*index.first, env);
  if (at.as<TensorValue>())
    fail(122, index.span, "an int", "a tensor", "only tensors are indexed by graph values; build a table with constant([…])");
  int64_t value = integer(at, index.span, "an index"), absolute = value < 0 ? value + size : value;
  if (absolute < 0 || absolute >= size)
    fail(127, index.span, "an index of a list of " + std::to_string(size), std::to_string(value), "");
  if (list[absolute].as<Poison>())
    silent();
  return list[absolute];
}

Value Elaborator::indexTensor(const Value &value, const ast::Expr &expr, const Env &env) {
  mlir::Value x = weightOf(value, expr.items[0]->span, "what is indexed");
  std::vector<int64_t> shape = shapeOf(x), offsets(shape.size()), sizes = shape, result;
  auto finish = [&](mlir::Value tensor) -> hb::frontend::Value { return TensorValue{value.as<ParamNode *>() ? castTo(tensor, activation_) : tensor}; };
  here_ = expr.span;

  // A graph scalar picks a row.
  if (expr.indices.size() == 1 && expr.indices[0].kind == ast::Index::At) {
    hb::frontend::Value at = evaluate(*expr.indices[0].first, env);
    if (auto *index = at.as<TensorValue>()) {
      auto type = typeOf(index->value);
      if (type.getRank() != 0 || !type.getElementType().isInteger(64) || shape.empty())
        fail(122, expr.indices[0].span, "an int or a graph scalar tensor[; i64]", describe(at), "rows by a tensor of ids: gather(table, ids)");
      if (index->offset) {
        if (index->offset < 0 || index->offset >= shape[0])
          fail(127, expr.indices[0].span, "iterations inside the table's " + std::to_string(shape[0]) + " rows", std::to_string(index->offset), "");
        offsets[0] = index->offset;
        sizes[0] = shape[0] - index->offset;
        x = slice(*this, x, offsets, sizes, expr.span);
      }
      std::vector<int64_t> row(shape.begin() + 1, shape.end());
      // A schedule's table stays float32 when activations are narrower; a checkpoint's table is read as activations.
      mlir::Type element = value.as<ParamNode *>() ? activation_ : elementOf(x);
      return TensorValue{nn::GatherOp::create(builder, location(expr.span), tensorType(row, element, expr.span), x, index->value, builder.getI64IntegerAttr(0))};
    }
  }
  size_t used = 0;
  for (const ast::Index &index : expr.indices)
    used += index.kind == ast::Index::At || index.kind == ast::Index::Slice;
  if (used > shape.size())
    fail(127, expr.span, "at most " + std::to_string(shape.size()) + " indices", std::to_string(used), "");
  size_t axis = 0;
  bool ellipsis = false;
  for (const ast::Index &index : expr.indices) {
    switch (index.kind) {
    case ast::Index::NewAxis: result.push_back(1); continue;
    case ast::Index::Ellipsis:
      if (ellipsis)
        fail(127, index.span, "one `...`", "two", "");
      ellipsis = true;
      for (size_t i = used; i < shape.size(); ++i)
        result.push_back(shape[axis++]);
      continue;
    case ast::Index::At: {
      int64_t at = integer(evaluate(*index.first, env), index.span, "an index"), absolute = at < 0 ? at + shape[axis] : at;
      if (absolute < 0 || absolute >= shape[axis])
        fail(127, index.span, "an index below " + std::to_string(shape[axis]), std::to_string(at), "");
      offsets[axis] = absolute;
      sizes[axis] = 1;
      break;
    }
    case ast::Index::Slice: {
      auto position = [&](const ast::ExprPtr &bound, int64_t fallback) {
        if (!bound)
          return fallback;
        int64_t at = integer(evaluate(*bound, env), bound->span, "an index"), absolute = at < 0 ? at + shape[axis] : at;
        if (absolute < 0 || absolute > shape[axis])
          fail(127, bound->span, "an index up to " + std::to_string(shape[axis]), std::to_string(at), "");
        return absolute;
      };
      offsets[axis] = position(index.first, 0);
      sizes[axis] = position(index.last, shape[axis]) - offsets[axis];
      if (sizes[axis] < 1)
        fail(127, index.span, "at least one element", "an empty slice", "");
      result.push_back(sizes[axis]);
      break;
    }
    }
    ++axis;
  }
  result.insert(result.end(), shape.begin() + axis, shape.end());
  x = slice(*this, x, offsets, sizes, expr.span);
  return finish(reshapeTo(*this, x, result, expr.span).value);
}

} // namespace hb::frontend
