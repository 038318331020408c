// Builtins that compute: layers, elementwise functions, products, reductions. Each checks the sizes, then appends one op.
#include "frontend/Builtins.h"

#include "runtime/base/Text.h"

#include <cmath>

namespace hb::frontend {

namespace {

using mlir::Type;

// ---- elementwise ----

struct UnaryRow {
  const char *name;
  nn::UnaryKind kind;
  double (*onNumbers)(double); ///< null: tensors only
};
constexpr UnaryRow kUnary[] = {{"silu", nn::UnaryKind::silu, nullptr},       {"gelu", nn::UnaryKind::gelu, nullptr}, {"quick_gelu", nn::UnaryKind::quick_gelu, nullptr},
                               {"exp", nn::UnaryKind::exp, std::exp},        {"log", nn::UnaryKind::log, std::log},  {"sin", nn::UnaryKind::sin, std::sin},
                               {"cos", nn::UnaryKind::cos, std::cos},        {"sqrt", nn::UnaryKind::sqrt, std::sqrt}, {"sigmoid", nn::UnaryKind::sigmoid, nullptr},
                               {"tanh", nn::UnaryKind::tanh, std::tanh},     {"relu", nn::UnaryKind::relu, nullptr}, {"abs", nn::UnaryKind::abs, std::fabs}};

/// One function for the whole table: on numbers during elaboration where that makes sense, else one op.
Value unary(Call &call) {
  Arguments a(call);
  const UnaryRow *row = std::find_if(std::begin(kUnary), std::end(kUnary), [&](const UnaryRow &row) { return std::string_view(row.name) == call.builtin.name; });
  bool number = a.value(0).as<int64_t>() || a.value(0).as<double>();
  if (number && row->onNumbers) {
    if (row->kind == nn::UnaryKind::abs && a.value(0).as<int64_t>())
      return *a.value(0).as<int64_t>() < 0 ? -std::max(*a.value(0).as<int64_t>(), -INT64_MAX) : *a.value(0).as<int64_t>();
    return row->onNumbers(a.number(0));
  }
  mlir::Value x = a.real(0);
  return TensorValue{nn::UnaryOp::create(a.e.builder, a.location(), x.getType(), row->kind, x)};
}

/// Broadcasts as NumPy does; a number becomes a scalar constant of the other operand's type; ids only compare.
TensorValue binaryOp(Elaborator &e, nn::BinaryKind kind, const Value &left, const Value &right, Span span, Span leftSpan, Span rightSpan, const std::string &what) {
  auto isNumber = [](const Value &value) { return value.as<int64_t>() || value.as<double>(); };
  mlir::Value a, b;
  // A number takes the other operand's type.
  if (!isNumber(left))
    a = e.tensorOf(left, leftSpan, "an operand of " + what);
  if (!isNumber(right))
    b = e.tensorOf(right, rightSpan, "an operand of " + what);
  if (!a && !b)
    e.wrongKind(left, leftSpan, "a tensor", "an operand of " + what);
  auto constant = [&](const Value &value, mlir::Value other, Span at) {
    if (llvm::isa<mlir::IntegerType>(elementOf(other)) && !value.as<int64_t>())
      e.wrongKind(value, at, "an int", "compared or combined with ids");
    return e.splat(value.as<int64_t>() ? static_cast<double>(*value.as<int64_t>()) : *value.as<double>(), {}, elementOf(other));
  };
  if (!a)
    a = constant(left, b, leftSpan);
  if (!b)
    b = constant(right, a, rightSpan);
  Type x = elementOf(a), y = elementOf(b);
  bool ids = llvm::isa<mlir::IntegerType>(x) && llvm::isa<mlir::IntegerType>(y);
  if (llvm::isa<mlir::IntegerType>(x) != llvm::isa<mlir::IntegerType>(y))
    e.fail(143, span, "two float tensors or two i64 tensors", describeType(a.getType()) + " and " + describeType(b.getType()), "write cast(ids) to compute with ids");
  if (ids && kind != nn::BinaryKind::eq)
    e.fail(143, span, "float tensors as operands of " + what, describeType(a.getType()) + " and " + describeType(b.getType()), "write cast(ids) to compute with ids");
  if (!ids && kind == nn::BinaryKind::eq)
    e.fail(143, span, "i64 tensors as operands of " + what, describeType(a.getType()), "equality of floats is no sound test");
  auto shape = broadcastShapes(shapeOf(a), shapeOf(b));
  if (!shape)
    e.fail(141, span, "shapes that broadcast (equal, or 1, from the right)", shapeText(shapeOf(a)) + " and " + shapeText(shapeOf(b)), "reshape one, or add axes with [:, newaxis]");
  Type element = x.getIntOrFloatBitWidth() >= y.getIntOrFloatBitWidth() ? x : y;
  // f16 with bf16: neither holds the other.
  if (x != y && x.getIntOrFloatBitWidth() == y.getIntOrFloatBitWidth())
    element = mlir::Float32Type::get(&e.context);
  return {nn::BinaryOp::create(e.builder, e.location(span), e.tensorType(*shape, element, span), kind, a, b)};
}

Value equalIds(Call &call) {
  Arguments a(call);
  return binaryOp(a.e, nn::BinaryKind::eq, a.value(0), a.value(1), call.span, a.span(0), a.span(1), "eq");
}

Value clamp(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0);
  double low = a.number(1), high = a.number(2);
  if (!(low <= high))
    a.e.fail(127, call.span, "low <= high", std::to_string(low) + " and " + std::to_string(high), "");
  auto &b = a.e.builder;
  return TensorValue{nn::ClampOp::create(b, a.location(), x.getType(), x, b.getF64FloatAttr(low), b.getF64FloatAttr(high))};
}

// ---- reductions ----

/// `axis`, `axes`, or all; reduced axes disappear. Nothing to reduce is the operand itself.
Value reduce(Arguments &a, nn::ReduceKind kind, size_t axisIndex, size_t axesIndex) {
  mlir::Value x = a.real(0);
  auto shape = shapeOf(x);
  int64_t rank = shape.size();
  std::set<int64_t> axes;
  if (a.has(axisIndex))
    axes.insert(a.axis(axisIndex, rank));
  else if (a.has(axesIndex))
    for (int64_t axis : a.integers(axesIndex))
      axes.insert(a.normalizeAxis(axis, rank, a.span(axesIndex)));
  else
    for (int64_t i = 0; i < rank; ++i)
      axes.insert(i);
  std::vector<int64_t> result;
  for (int64_t i = 0; i < rank; ++i)
    if (!axes.count(i))
      result.push_back(shape[i]);
  std::vector<int64_t> list(axes.begin(), axes.end());
  if (list.empty())
    return TensorValue{x};
  return TensorValue{nn::ReduceOp::create(a.e.builder, a.location(), a.type(result, elementOf(x)), kind, x, list)};
}

Value sum(Call &call) {
  Arguments a(call);
  if (const List *list = a.value(0).list()) {
    Value total(int64_t{0});
    bool real = false;
    double reals = 0;
    int64_t integers = 0;
    for (const Value &item : *list) {
      real |= item.as<double>() != nullptr;
      reals += a.e.number(item, a.span(0), a.what(0));
      if (auto *integer = item.as<int64_t>(); integer && __builtin_add_overflow(integers, *integer, &integers))
        a.e.fail(126, call.span, "a result below 2^63", "an overflow", "");
    }
    return real ? Value(reals) : Value(integers);
  }
  return reduce(a, nn::ReduceKind::sum, 1, 2);
}

Value mean(Call &call) {
  Arguments a(call);
  return reduce(a, nn::ReduceKind::mean, 1, 2);
}

/// max and min have three meanings, told apart by their arguments: two operands, a list of numbers, axes of a tensor.
Value extreme(Call &call) {
  Arguments a(call);
  bool maximum = std::string_view(call.builtin.name) == "max";
  auto isNumber = [](const Value &value) { return value.as<int64_t>() || value.as<double>(); };
  auto better = [&](const Value &x, const Value &y) {
    double left = a.e.number(x, a.span(0), a.what(0)), right = a.e.number(y, a.span(0), a.what(0));
    return (maximum ? left >= right : left <= right) ? x : y;
  };
  if (a.has(1)) {
    if (isNumber(a.value(0)) && isNumber(a.value(1)))
      return better(a.value(0), a.value(1));
    return binaryOp(a.e, maximum ? nn::BinaryKind::max : nn::BinaryKind::min, a.value(0), a.value(1), call.span, a.span(0), a.span(1), call.builtin.name);
  }
  if (const List *list = a.value(0).list()) {
    if (list->empty())
      a.e.fail(127, call.span, "a list that is not empty", "an empty one", "");
    Value best = list->front();
    for (const Value &item : *list)
      best = better(best, item);
    return best;
  }
  if (!maximum)
    a.e.fail(123, call.span, "min(a, b) or min(list)", "one tensor", "the minimum over an axis is -max(-x, axis: …)");
  return reduce(a, nn::ReduceKind::max, 2, 3);
}

Value argmax(Call &call) {
  Arguments a(call);
  mlir::Value x = a.tensor(0);
  auto shape = shapeOf(x);
  if (shape.empty())
    a.mismatch(0, "at least one axis", "a scalar");
  shape.pop_back();
  return TensorValue{nn::ArgmaxOp::create(a.e.builder, a.location(), a.type(shape, a.e.builder.getI64Type()), x)};
}

Value softmax(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0);
  if (shapeOf(x).empty())
    a.mismatch(0, "at least one axis", "a scalar");
  return TensorValue{nn::SoftmaxOp::create(a.e.builder, a.location(), x.getType(), x)};
}

Value l2Normalize(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0);
  if (shapeOf(x).empty())
    a.mismatch(0, "at least one axis", "a scalar");
  return TensorValue{nn::L2NormalizeOp::create(a.e.builder, a.location(), x.getType(), x, a.e.builder.getF64FloatAttr(a.number(1, 1e-12)))};
}

// ---- layers ----

bool isLoraTarget(const std::string &path, const std::vector<std::string> &targets) {
  // PEFT's rule: the whole path, or its end after a dot.
  for (const std::string &target : targets)
    if (path == target || (path.size() > target.size() && path.ends_with(target) && path[path.size() - target.size() - 1] == '.'))
      return true;
  return false;
}

void checkBias(Arguments &a, size_t i, mlir::Value bias, int64_t channels) {
  if (bias && shapeOf(bias) != std::vector<int64_t>{channels})
    a.mismatch(i, "a bias [" + std::to_string(channels) + "]", shapeText(shapeOf(bias)));
}

/// The operands of dropout: probability, seed, step and site. Numbers become constants.
llvm::SmallVector<mlir::Value> dropOperands(Elaborator &e, const Value &probability, const Value &seed, const Value &step, int64_t site, Span span) {
  mlir::Type f32 = mlir::Float32Type::get(&e.context), i64 = e.builder.getI64Type();
  auto scalar = [&](const Value &value, mlir::Type element, const char *what) -> mlir::Value {
    if (auto *integer = value.as<int64_t>())
      return e.splat(static_cast<double>(*integer), {}, element);
    if (auto *real = value.as<double>(); real && element == f32)
      return e.splat(*real, {}, element);
    mlir::Value tensor = e.tensorOf(value, span, what);
    if (!shapeOf(tensor).empty() || elementOf(tensor) != element)
      e.fail(140, span, std::string(what) + " as a scalar " + (element == f32 ? "f32" : "i64"), describeType(tensor.getType()), "");
    return tensor;
  };
  if (auto *real = probability.as<double>(); real && !(*real >= 0 && *real < 1))
    e.fail(127, span, "a probability from 0 to below 1", std::to_string(*real), "");
  return {scalar(probability, f32, "the probability of dropout"), scalar(seed, i64, "the seed of dropout"), scalar(step, i64, "the step of dropout"),
          e.splat(static_cast<double>(site), {}, i64)};
}

/// dropout(x, probability, seed, step: 0, site: 0): one mask for each (seed, step, site), repeated exactly by whoever computes it again.
Value dropout(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0);
  Value zero(int64_t{0});
  auto drop = dropOperands(a.e, a.value(1), a.value(2), a.has(3) ? a.value(3) : zero, a.integer(4, 0), call.span);
  return TensorValue{nn::DropoutOp::create(a.e.builder, a.location(), x.getType(), x, drop)};
}

/// The first argument, a network, as a value of its own that can be called in another way.
Instance &viewOfNetwork(Arguments &a) {
  auto *instance = a.value(0).as<Instance *>();
  if (!instance)
    a.e.wrongKind(a.value(0), a.span(0), "a module instance", a.what(0));
  return a.e.viewOf(**instance);
}

/// without_adapters(network): the network, which reads no adapter factors where it is called by this value.
Value withoutAdapters(Call &call) {
  Arguments a(call);
  Instance &view = viewOfNetwork(a);
  view.withoutAdapters = true;
  return &view;
}

/// with_dropout(network, probability, seed, step): the network, whose adapters drop out where it is called by this value.
Value withDropout(Call &call) {
  Arguments a(call);
  Instance &view = viewOfNetwork(a);
  view.dropout = {a.value(1), a.value(2), a.value(3)};
  return &view;
}

/// What dropout of the adapter at `path` reads, inside a call of a `with_dropout`; else nothing. A site is numbered by its path alone (FNV-1a,
/// 32 bits), so that another program's masks, or a reference's, can be the same.
llvm::SmallVector<mlir::Value> adapterDrop(Arguments &a, const std::string &path) {
  const std::array<Value, 3> *drop = a.e.adapterDropout();
  if (!drop)
    return {};
  uint32_t site = 2166136261u;
  for (unsigned char c : path)
    site = (site ^ c) * 16777619u;
  return dropOperands(a.e, (*drop)[0], (*drop)[1], (*drop)[2], site, a.call.span);
}

/// x […, K] · weight [N, K]ᵀ + bias [N] → […, N]. Where adapters are reserved and the weight's module is a target, the same with a
/// rank-R update whose factors are run-time parameters (LoRA, Hu et al. 2021): A [R, K], B [N, R], scale [R].
Value linear(Call &call) {
  Arguments a(call);
  Elaborator &e = a.e;
  mlir::Value x = a.real(0), weight = a.weight(1), bias = a.has(2) ? a.weight(2) : mlir::Value();
  auto shape = shapeOf(x), w = shapeOf(weight);
  if (w.size() != 2)
    a.mismatch(1, "a weight [N, K]", shapeText(w));
  if (shape.empty() || shape.back() != w[1])
    a.mismatch(0, "[…, " + std::to_string(w[1]) + "], as the weight " + shapeText(w) + " needs", shapeText(shape));
  checkBias(a, 2, bias, w[0]);
  shape.back() = w[0];
  auto type = a.type(shape, elementOf(x));
  auto *param = a.value(1).as<ParamNode *>();
  if (e.options.loraRank > 0 && !e.adaptersLeftOut() && param && (*param)->parent && e.hasAdapters((*param)->parent)) {
    std::string path = e.pathOf(*(*param)->parent), scope = "adapter:" + e.componentOf((*param)->parent)->scope;
    if (isLoraTarget(path, e.options.loraTargets)) {
      mlir::Type f32 = mlir::Float32Type::get(&e.context);
      int64_t rank = e.options.loraRank;
      auto factor = [&](const char *name, std::vector<int64_t> shape) { return e.namedParameter(scope, path + "." + name, e.tensorType(shape, f32, call.span), call.span); };
      mlir::Value down = factor("lora_A", {rank, w[1]}), up = factor("lora_B", {w[0], rank}), scale = factor("lora_scale", {rank});
      return TensorValue{nn::LoraLinearOp::create(e.builder, a.location(), type, x, weight, bias, down, up, scale, adapterDrop(a, path), nullptr)};
    }
  }
  return TensorValue{nn::LinearOp::create(e.builder, a.location(), type, x, weight, bias)};
}

/// x [B, I, H, W], weight [O, I, kh, kw] → [B, O, ⌊(H + pads − kh) / stride⌋ + 1, likewise W] (torch.nn.functional.conv2d, one group).
Value conv2d(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0), weight = a.weight(1), bias = a.has(2) ? a.weight(2) : mlir::Value();
  auto shape = shapeOf(x), w = shapeOf(weight);
  if (w.size() != 4)
    a.mismatch(1, "a weight [O, I, kh, kw]", shapeText(w));
  if (shape.size() != 4 || shape[1] != w[1])
    a.mismatch(0, "[B, " + std::to_string(w[1]) + ", H, W], as the weight " + shapeText(w) + " needs", shapeText(shape));
  checkBias(a, 2, bias, w[0]);
  auto numbers = [&](size_t i, size_t count, int64_t fallback) {
    std::vector<int64_t> list = !a.has(i) ? std::vector<int64_t>(count, fallback) : a.value(i).list() ? a.integers(i) : std::vector<int64_t>(count, a.integer(i));
    if (list.size() != count)
      a.e.fail(127, a.span(i), "one int or " + std::to_string(count) + " of them", std::to_string(list.size()), "");
    for (int64_t number : list)
      if (number < (i == 3 ? 1 : 0) || number > 1'000'000)
        a.e.fail(127, a.span(i), i == 3 ? "at least 1" : "at least 0", std::to_string(number), "");
    return list;
  };
  std::vector<int64_t> strides = numbers(3, 2, 1), padding = numbers(4, 4, 0);
  int64_t height = shape[2] + padding[0] + padding[1] - w[2], width = shape[3] + padding[2] + padding[3] - w[3];
  if (height < 0 || width < 0)
    a.mismatch(0, "a picture at least as large as the kernel " + shapeText(w), shapeText(shape));
  auto type = a.type({shape[0], w[0], height / strides[0] + 1, width / strides[1] + 1}, elementOf(x));
  return TensorValue{nn::Conv2dOp::create(a.e.builder, a.location(), type, x, weight, bias, strides, padding, nn::Layout::nchw)};
}

/// x [B, C, H, W] normalised over C / groups channels and all pixels.
Value groupNorm(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0), weight = a.weight(1), bias = a.weight(2);
  auto shape = shapeOf(x);
  int64_t groups = a.integer(3);
  if (shape.size() != 4)
    a.mismatch(0, "[B, C, H, W]", shapeText(shape));
  if (groups < 1 || shape[1] % groups != 0)
    a.mismatch(3, "a divisor of the " + std::to_string(shape[1]) + " channels", std::to_string(groups));
  for (size_t i : {1, 2})
    checkBias(a, i, i == 1 ? weight : bias, shape[1]);
  auto &b = a.e.builder;
  return TensorValue{nn::GroupNormOp::create(b, a.location(), x.getType(), x, weight, bias, b.getI64IntegerAttr(groups), b.getF64FloatAttr(a.number(4)),
                                             nn::LayoutAttr::get(&a.e.context, nn::Layout::nchw))};
}

Value layerNorm(Call &call) {
  Arguments a(call);
  mlir::Value x = a.real(0), weight = a.weight(1), bias = a.weight(2);
  auto shape = shapeOf(x);
  if (shape.empty())
    a.mismatch(0, "at least one axis", "a scalar");
  for (size_t i : {1, 2})
    checkBias(a, i, i == 1 ? weight : bias, shape.back());
  auto &b = a.e.builder;
  return TensorValue{nn::LayerNormOp::create(b, a.location(), x.getType(), x, weight, bias, b.getF64FloatAttr(a.number(3)))};
}

/// q [B, N, heads·d], k [B, M, heads·d], v [B, M, heads·dv] → [B, N, heads·dv]; heads side by side, as the projections write them.
/// The scale defaults to 1/√d (Vaswani et al. 2017).
Value attention(Call &call) {
  Arguments a(call);
  mlir::Value q = a.real(0), k = a.real(1), v = a.real(2), mask = a.has(5) ? a.real(5) : mlir::Value();
  auto qs = shapeOf(q), ks = shapeOf(k), vs = shapeOf(v);
  int64_t heads = a.integer(3);
  bool causal = a.boolean(4, false);
  if (qs.size() != 3)
    a.mismatch(0, "[B, N, heads·d]", shapeText(qs));
  if (ks.size() != 3 || ks[0] != qs[0] || ks[2] != qs[2])
    a.mismatch(1, "[" + std::to_string(qs[0]) + ", M, " + std::to_string(qs[2]) + "], as q " + shapeText(qs) + " needs", shapeText(ks));
  if (vs.size() != 3 || vs[0] != ks[0] || vs[1] != ks[1])
    a.mismatch(2, "[" + std::to_string(ks[0]) + ", " + std::to_string(ks[1]) + ", heads·dv], as k " + shapeText(ks) + " needs", shapeText(vs));
  if (heads < 1 || qs[2] % heads != 0 || vs[2] % heads != 0)
    a.mismatch(3, "a divisor of " + std::to_string(qs[2]) + " and " + std::to_string(vs[2]), std::to_string(heads));
  if (causal && qs[1] != ks[1])
    a.mismatch(4, "as many keys as queries with causal: true", std::to_string(qs[1]) + " queries and " + std::to_string(ks[1]) + " keys");
  if (mask) {
    auto ms = shapeOf(mask);
    if (ms.size() != 3 || (ms[0] != 1 && ms[0] != qs[0]) || (ms[1] != 1 && ms[1] != qs[1]) || ms[2] != ks[1])
      a.mismatch(5, "[1 or " + std::to_string(qs[0]) + ", 1 or " + std::to_string(qs[1]) + ", " + std::to_string(ks[1]) + "]", shapeText(ms));
  }
  double scale = a.number(6, 1.0 / std::sqrt(static_cast<double>(qs[2] / heads)));
  auto &b = a.e.builder;
  auto type = a.type({qs[0], qs[1], vs[2]}, elementOf(q));
  return TensorValue{nn::AttentionOp::create(b, a.location(), type, Type(), q, k, v, mask, b.getI64IntegerAttr(heads), b.getF64FloatAttr(scale), causal ? b.getUnitAttr() : mlir::UnitAttr())
                         .getResult()};
}

/// a […, M, K] · b […, K, N], or b […, N, K] transposed; leading axes are equal, never broadcast.
Value product(Call &call) {
  Arguments a(call);
  bool transposed = std::string_view(call.builtin.name) == "matmul_t";
  mlir::Value x = a.real(0), y = a.real(1);
  auto xs = shapeOf(x), ys = shapeOf(y);
  if (xs.size() < 2 || ys.size() != xs.size() || !std::equal(xs.begin(), xs.end() - 2, ys.begin()))
    a.mismatch(1, "as many axes as a and the same leading ones", shapeText(ys) + " with a " + shapeText(xs));
  int64_t inner = transposed ? ys.back() : ys[ys.size() - 2], columns = transposed ? ys[ys.size() - 2] : ys.back();
  if (inner != xs.back())
    a.mismatch(1, transposed ? "[…, N, " + std::to_string(xs.back()) + "]" : "[…, " + std::to_string(xs.back()) + ", N]", shapeText(ys));
  xs.back() = columns;
  return TensorValue{nn::MatmulOp::create(a.e.builder, a.location(), a.type(xs, elementOf(x)), x, y, false, transposed)};
}

/// Marks whose meaning belongs to differentiation; values that are no float tensors pass unchanged.
template <typename Op> Value mark(Call &call) {
  auto *tensor = call.values[0].as<TensorValue>();
  if (!tensor || !llvm::isa<mlir::FloatType>(elementOf(tensor->value)))
    return call.values[0];
  Arguments a(call);
  return TensorValue{Op::create(a.e.builder, a.location(), tensor->value.getType(), tensor->value)};
}

/// The float tensors of a tensor, list or record, in order.
void collectTensors(Arguments &a, size_t i, const Value &value, std::vector<mlir::Value> &tensors) {
  if (const List *list = value.list()) {
    for (const Value &item : *list)
      collectTensors(a, i, item, tensors);
  } else if (const Record *record = value.record()) {
    for (const auto &entry : record->entries)
      collectTensors(a, i, entry.second, tensors);
  } else {
    tensors.push_back(a.e.tensorOf(value, a.span(i), a.what(i)));
    if (!llvm::isa<mlir::FloatType>(elementOf(tensors.back())))
      a.e.wrongKind(value, a.span(i), "float tensors", a.what(i));
  }
}

/// `like` with its tensors replaced by `tensors`, in order.
Value withTensors(const Value &like, llvm::ArrayRef<mlir::Value> tensors, size_t &next) {
  if (const List *list = like.list()) {
    List items;
    for (const Value &item : *list)
      items.push_back(withTensors(item, tensors, next));
    return items;
  }
  if (const Record *record = like.record()) {
    Record made;
    for (const auto &[name, item] : record->entries)
      made.entries.emplace_back(name, withTensors(item, tensors, next));
    return made;
  }
  return TensorValue{tensors[next++]};
}

Value gradients(Arguments &a, size_t wrtIndex, llvm::ArrayRef<mlir::Value> of, llvm::ArrayRef<mlir::Value> cotangents) {
  std::vector<mlir::Value> wrt;
  collectTensors(a, wrtIndex, a.value(wrtIndex), wrt);
  llvm::SmallVector<mlir::Type> types;
  for (mlir::Value value : wrt)
    types.push_back(value.getType());
  auto op = grad::VjpOp::create(a.e.builder, a.location(), types, of, cotangents, wrt);
  size_t next = 0;
  return withTensors(a.value(wrtIndex), std::vector<mlir::Value>(op.getGradients().begin(), op.getGradients().end()), next);
}

/// vjp(y, cotangent, wrt: x): Σ cotangent·∂y/∂x, in the form of `wrt` (a tensor, list or record).
Value vjp(Call &call) {
  Arguments a(call);
  mlir::Value y = a.real(0), cotangent = a.real(1);
  if (y.getType() != cotangent.getType())
    a.mismatch(1, "a cotangent " + describeType(y.getType()), describeType(cotangent.getType()));
  return gradients(a, 2, y, cotangent);
}

/// value_and_grad(loss, wrt: x): the scalar itself and its gradients in the form of `wrt`.
Value valueAndGrad(Call &call) {
  Arguments a(call);
  mlir::Value loss = a.real(0);
  if (!shapeOf(loss).empty())
    a.mismatch(0, "a scalar", describeType(loss.getType()));
  mlir::Value one = a.e.splat(1, {}, elementOf(loss));
  return List{Value(TensorValue{loss}), gradients(a, 1, loss, one)};
}

/// adapters(network): the LoRA factors that the network has read so far, by `<module path>.lora_A.weight`.
Value adapters(Call &call) {
  Arguments a(call);
  auto *instance = a.value(0).as<Instance *>();
  if (!instance)
    a.e.wrongKind(a.value(0), a.span(0), "a module instance", a.what(0));
  Record record;
  for (auto &[name, factor] : a.e.adapterFactors(a.e.componentOf(*instance)->scope))
    record.entries.emplace_back(name, TensorValue{factor});
  return record;
}

const Builtin kRows[] = {
    {"vjp", "y cotangent wrt", vjp}, {"value_and_grad", "loss wrt", valueAndGrad}, {"adapters", "network", adapters},
    {"silu", "x", unary}, {"gelu", "x", unary}, {"quick_gelu", "x", unary}, {"exp", "x", unary}, {"log", "x", unary}, {"sin", "x", unary}, {"cos", "x", unary},
    {"sqrt", "x", unary}, {"sigmoid", "x", unary}, {"tanh", "x", unary}, {"relu", "x", unary}, {"abs", "x", unary},
    {"eq", "ids value", equalIds},
    {"clamp", "x low high", clamp},
    {"sum", "x axis? axes?", sum},
    {"mean", "x axis? axes?", mean},
    {"max", "x b? axis? axes?", extreme},
    {"min", "x b?", extreme},
    {"argmax", "x", argmax},
    {"softmax", "x", softmax},
    {"l2_normalize", "x eps?", l2Normalize},
    {"linear", "x weight bias?", linear},
    {"conv2d", "x weight bias? stride? padding?", conv2d},
    {"group_norm", "x weight bias groups eps", groupNorm},
    {"layer_norm", "x weight bias eps", layerNorm},
    {"attention", "q k v heads causal? mask? scale?", attention},
    {"matmul", "a b", product},
    {"matmul_t", "a b", product},
    {"dropout", "x probability seed step? site?", dropout},
    {"without_adapters", "network", withoutAdapters},
    {"with_dropout", "network probability seed step", withDropout},
    {"stop_gradient", "x", mark<grad::StopOp>},
    {"checkpoint", "x", mark<grad::CheckpointOp>},
};

} // namespace

llvm::ArrayRef<Builtin> graphBuiltins() { return kRows; }

Value Elaborator::graphBinary(const std::string &op, const Value &a, const Value &b, Span span, Span left, Span right) {
  static const std::map<std::string, nn::BinaryKind> kinds = {
      {"+", nn::BinaryKind::add}, {"-", nn::BinaryKind::sub}, {"*", nn::BinaryKind::mul}, {"/", nn::BinaryKind::div}};
  here_ = span;
  return binaryOp(*this, kinds.at(op), a, b, span, left, right, op);
}

} // namespace hb::frontend
