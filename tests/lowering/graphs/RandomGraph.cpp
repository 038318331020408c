#include "tests/lowering/graphs/RandomGraph.h"

#include "mlir/IR/Builders.h"

#include <random>

using namespace mlir;

namespace hb::test {

namespace {

class Generator {
public:
  Generator(MLIRContext &context, uint64_t seed) : random_(seed), builder_(&context), where_(UnknownLoc::get(&context)) {}

  OwningOpRef<ModuleOp> generate() {
    OwningOpRef<ModuleOp> module = ModuleOp::create(where_);
    RankedTensorType x = type({2, 4, 6, 6}), context = type({2, 5, 8}), time = type({2, 8});
    auto function = func::FuncOp::create(where_, "f", builder_.getFunctionType({x, context, time}, {}));
    module->push_back(function);
    Block *entry = function.addEntryBlock();
    builder_.setInsertionPointToStart(entry);
    context_ = entry->getArgument(1), time_ = entry->getArgument(2);
    Value picture = entry->getArgument(0);
    SmallVector<Value> outputs;
    for (int i = pick(3, 12); i > 0; --i) {
      picture = layer(picture, true);
      if (pick(0, 4) == 0)
        skips_.push_back(picture);
    }
    outputs.push_back(picture);
    if (pick(0, 1))
      outputs.push_back(nn::ReduceOp::create(builder_, where_, type({shape(picture)[0], shape(picture)[3]}), nn::ReduceKind::mean, picture, ArrayRef<int64_t>{1, 2}));
    func::ReturnOp::create(builder_, where_, outputs);
    function.setType(builder_.getFunctionType({x, context, time}, ValueRange(outputs).getTypes()));
    return module;
  }

private:
  int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  RankedTensorType type(ArrayRef<int64_t> shape) { return RankedTensorType::get(shape, builder_.getF64Type()); }
  static ArrayRef<int64_t> shape(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }
  Value param(ArrayRef<int64_t> shape) { return nn::ParamOp::create(builder_, where_, type(shape), "net", "p" + std::to_string(params_++)); }
  Value binary(nn::BinaryKind kind, Value a, Value b) { return nn::BinaryOp::create(builder_, where_, a.getType(), kind, a, b); }
  Value transpose(Value x, ArrayRef<int64_t> p) {
    SmallVector<int64_t> result;
    for (int64_t axis : p)
      result.push_back(shape(x)[axis]);
    return nn::TransposeOp::create(builder_, where_, type(result), x, p);
  }
  Value reshape(Value x, ArrayRef<int64_t> shape) { return nn::ReshapeOp::create(builder_, where_, type(shape), x); }
  Value linear(Value x, int64_t n, bool bias) {
    SmallVector<int64_t> result(shape(x));
    result.back() = n;
    Value w = param({n, shape(x).back()});
    return nn::LinearOp::create(builder_, where_, type(result), x, w, bias ? param({n}) : Value());
  }

  Value conv(Value x, int64_t channels, int64_t kernel, int64_t stride) {
    int64_t pad = kernel / 2, h = (shape(x)[2] + 2 * pad - kernel) / stride + 1, w = (shape(x)[3] + 2 * pad - kernel) / stride + 1;
    Value weight = param({channels, shape(x)[1], kernel, kernel}), bias = pick(0, 1) ? param({channels}) : Value();
    return nn::Conv2dOp::create(builder_, where_, type({shape(x)[0], channels, h, w}), x, weight, bias, ArrayRef<int64_t>{stride, stride},
                                ArrayRef<int64_t>{pad, pad, pad, pad}, nn::Layout::nchw);
  }

  Value norm(Value x) {
    int64_t channels = shape(x)[1];
    return nn::GroupNormOp::create(builder_, where_, x.getType(), x, param({channels}), param({channels}), channels % 2 ? 1 : 2, llvm::APFloat(1e-5), nn::Layout::nchw);
  }

  /// Residual block with a shift from the time embedding.
  Value residual(Value x) {
    Value h = conv(nn::UnaryOp::create(builder_, where_, x.getType(), nn::UnaryKind::silu, norm(x)), shape(x)[1], 3, 1);
    Value shift = reshape(linear(time_, shape(x)[1], true), {2, shape(x)[1], 1, 1});
    return binary(nn::BinaryKind::add, x, binary(nn::BinaryKind::add, h, shift));
  }

  Value attention(Value x, Value source, int64_t heads) {
    Value q = linear(x, shape(x).back(), false), k = linear(source, shape(x).back(), false), v = linear(source, shape(x).back(), false);
    return nn::AttentionOp::create(builder_, where_, x.getType(), q, k, v, Value(), heads, llvm::APFloat(0.5), false).getResult();
  }

  Value gate(Value x) {
    SmallVector<int64_t> half(shape(x)), zero(half.size(), 0);
    Value y = linear(x, 2 * half.back(), true);
    Value u = nn::SliceOp::create(builder_, where_, type(half), y, zero);
    zero.back() = half.back();
    Value g = nn::SliceOp::create(builder_, where_, type(half), y, zero);
    return binary(nn::BinaryKind::mul, u, nn::UnaryOp::create(builder_, where_, g.getType(), nn::UnaryKind::gelu, g));
  }

  /// A transformer block on the pixels, flattened in one of the two ways networks are written.
  Value tokens(Value x) {
    SmallVector<int64_t> s(shape(x));
    bool flattenFirst = pick(0, 1);
    Value t = flattenFirst ? transpose(reshape(x, {s[0], s[1], s[2] * s[3]}), {0, 2, 1}) : reshape(transpose(x, {0, 2, 3, 1}), {s[0], s[2] * s[3], s[1]});
    t = nn::LayerNormOp::create(builder_, where_, t.getType(), t, param({s[1]}), param({s[1]}), llvm::APFloat(1e-5));
    t = binary(nn::BinaryKind::add, t, attention(t, pick(0, 1) ? t : context_, s[1] % 2 ? 1 : 2));
    if (pick(0, 1))
      t = binary(nn::BinaryKind::add, t, gate(t));
    Value back = flattenFirst ? reshape(transpose(t, {0, 2, 1}), s) : transpose(reshape(t, {s[0], s[2], s[3], s[1]}), {0, 3, 1, 2});
    return binary(nn::BinaryKind::add, back, x);
  }

  Value scalar(double value) { return nn::ConstantOp::create(builder_, where_, DenseElementsAttr::get(type({}), value)); }

  /// Arithmetic of all sorts, some of it pointless on purpose.
  Value arithmetic(Value x) {
    SmallVector<int64_t> s(shape(x));
    switch (pick(0, 6)) {
    case 0: return binary(nn::BinaryKind::mul, x, binary(nn::BinaryKind::div, scalar(3), scalar(4)));
    case 1: return binary(nn::BinaryKind::add, x, scalar(0));
    case 2: return binary(nn::BinaryKind::sub, x, nn::BroadcastOp::create(builder_, where_, type(s), param({s[1], 1, 1})));
    case 3: return nn::ClampOp::create(builder_, where_, x.getType(), x, llvm::APFloat(-1.0), llvm::APFloat(1.0));
    case 4: return nn::CastOp::create(builder_, where_, x.getType(), nn::CastOp::create(builder_, where_, x.getType(), x));
    case 5: {
      Value sum = nn::ReduceOp::create(builder_, where_, type({s[0], s[2], s[3]}), nn::ReduceKind::max, x, ArrayRef<int64_t>{1});
      return binary(nn::BinaryKind::sub, x, reshape(sum, {s[0], 1, s[2], s[3]}));
    }
    default: return transpose(nn::UnaryOp::create(builder_, where_, type({s[0], s[1], s[3], s[2]}), nn::UnaryKind::tanh, transpose(x, {0, 1, 3, 2})), {0, 1, 3, 2});
    }
  }

  Value slices(Value x) {
    SmallVector<int64_t> s(shape(x)), part(s), zero(4, 0);
    part[1] = (s[1] + 1) / 2;
    Value first = nn::SliceOp::create(builder_, where_, type(part), x, zero);
    zero[1] = part[1];
    part[1] = s[1] - part[1];
    if (part[1] == 0)
      return first;
    Value second = nn::SliceOp::create(builder_, where_, type(part), x, zero);
    SmallVector<Value> parts = {first, second};
    if (pick(0, 1))
      std::swap(parts[0], parts[1]);
    return nn::ConcatOp::create(builder_, where_, type(s), parts, 1);
  }

  Value skip(Value x) {
    for (Value other : skips_) {
      SmallVector<int64_t> a(shape(x)), b(shape(other));
      if (a[1] + b[1] > 12 || a[2] != b[2] || a[3] != b[3])
        continue;
      a[1] += b[1];
      return nn::ConcatOp::create(builder_, where_, type(a), ValueRange{x, other}, 1);
    }
    return x;
  }

  Value loop(Value x) {
    auto op = nn::RepeatOp::create(builder_, where_, TypeRange{x.getType(), x.getType()}, Value(), ValueRange{x, x}, pick(0, 3));
    OpBuilder::InsertionGuard guard(builder_);
    Block *body = builder_.createBlock(&op.getBody(), {}, {RankedTensorType::get({}, builder_.getI64Type()), x.getType(), x.getType()}, {where_, where_, where_});
    Value next = body->getArgument(1);
    for (int i = pick(1, 3); i > 0; --i)
      next = layer(next, false);
    next = binary(nn::BinaryKind::add, nn::UnaryOp::create(builder_, where_, next.getType(), nn::UnaryKind::tanh, next), body->getArgument(2));
    nn::YieldOp::create(builder_, where_, ValueRange{next, body->getArgument(2)});
    return op.getResult(0);
  }

  /// `free`: may change the shape and nest a loop.
  Value layer(Value x, bool free) {
    SmallVector<int64_t> s(shape(x));
    switch (pick(0, free ? 9 : 4)) {
    case 0: return residual(x);
    case 1: return tokens(x);
    case 2: return arithmetic(x);
    case 3: return slices(x);
    case 4: return norm(x);
    case 5: return conv(x, pick(1, 6), pick(0, 1) ? 3 : 1, s[2] > 3 ? pick(1, 2) : 1);
    case 6: return nn::ResizeNearestOp::create(builder_, where_, type({s[0], s[1], std::min<int64_t>(2 * s[2], 8), s[3] + 1}), x, nn::Layout::nchw);
    case 7: return nn::AdaptiveAvgPoolOp::create(builder_, where_, type({s[0], s[1], std::max<int64_t>(s[2] - 2, 1), std::max<int64_t>(s[3] / 2, 1)}), x, nn::Layout::nchw);
    case 8: return skip(x);
    default: return loop(x);
    }
  }

  std::mt19937_64 random_;
  OpBuilder builder_;
  Location where_;
  Value context_, time_;
  SmallVector<Value> skips_;
  int params_ = 0;
};

std::vector<double> normals(uint64_t seed, int64_t count) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 0.5);
  std::vector<double> values(count);
  for (double &value : values)
    value = normal(random);
  return values;
}

} // namespace

OwningOpRef<ModuleOp> randomGraph(MLIRContext &context, uint64_t seed) { return Generator(context, seed).generate(); }

std::vector<double> randomParameter(StringRef scope, StringRef key, RankedTensorType type) {
  return normals(std::hash<std::string>()((scope + "::" + key).str()), type.getNumElements());
}

std::vector<nn::Tensor> randomInputs(func::FuncOp function, uint64_t seed) {
  std::vector<nn::Tensor> inputs;
  for (Type type : function.getArgumentTypes()) {
    auto ranked = cast<RankedTensorType>(type);
    inputs.emplace_back(nn::Shape(ranked.getShape()), normals(seed + 1000 * inputs.size(), ranked.getNumElements()));
  }
  return inputs;
}

} // namespace hb::test
