#include "dialects/nn/reference/Evaluator.h"

#include "dialects/nn/reference/Kernels.h"
#include "runtime/base/Error.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace hb::nn {

namespace {

std::string placeOf(Operation &op) {
  std::string text;
  llvm::raw_string_ostream(text) << op.getName() << " at " << op.getLoc();
  return text;
}

Shape shapeOf(Value value) { return Shape(cast<RankedTensorType>(value.getType()).getShape()); }

double applyBinary(BinaryKind kind, double a, double b, bool integer) {
  switch (kind) {
  case BinaryKind::add: return a + b;
  case BinaryKind::sub: return a - b;
  case BinaryKind::mul: return a * b;
  case BinaryKind::div: return integer ? (b == 0 ? 0 : std::trunc(a / b)) : a / b;
  case BinaryKind::max: return std::isnan(a) || a > b ? a : b;
  case BinaryKind::min: return std::isnan(a) || a < b ? a : b;
  case BinaryKind::eq: return a == b;
  }
  llvm_unreachable("unknown binary kind");
}

Tensor evaluateReduce(ReduceOp op, const Tensor &x) {
  bool max = op.getKind() == ReduceKind::max;
  double start = max ? -std::numeric_limits<double>::infinity() : 0;
  Tensor folded = reference::reduce(x, op.getAxes(), start, [&](double a, double b) { return max ? (a > b || std::isnan(a) ? a : b) : a + b; });
  if (op.getKind() != ReduceKind::mean)
    return folded;
  double count = folded.size() ? static_cast<double>(x.size()) / static_cast<double>(folded.size()) : 1;
  return reference::map(folded, [&](double v) { return v / count; });
}

Tensor plus(const Tensor &a, const Tensor &b) {
  return reference::map2(a, b, a.shape, [](double x, double y) { return x + y; });
}

/// u ∘ f(g) where [u, g] are the halves of the last axis of y.
Tensor gate(GatedLinearOp op, const Tensor &y) {
  Shape half = y.shape;
  half.back() /= 2;
  std::vector<int64_t> offsets(half.size(), 0);
  Tensor u = reference::slice(y, offsets, half);
  offsets.back() = half.back();
  Tensor g = reference::slice(y, offsets, half);
  Type type = cast<RankedTensorType>(op.getType()).getElementType();
  return reference::map2(u, g, half, [&](double a, double b) { return a * applyUnary(op.getKind(), b, type); });
}

Tensor convolve(Conv2dOp op, ArrayRef<Tensor> in) {
  bool last = op.getLayout() == Layout::nhwc;
  Shape out = shapeOf(op.getResult());
  reference::ConvGeometry geometry{op.getStrides()[0], op.getStrides()[1], op.getPadding()[0], op.getPadding()[2], out[last ? 1 : 2], out[last ? 2 : 3]};
  return reference::conv2d(in[0], in[1], in.size() > 2 ? &in[2] : nullptr, geometry, last);
}

} // namespace

std::vector<Tensor> Evaluator::evaluate(Operation &op, ArrayRef<Tensor> in) {
  using namespace reference;
  if (auto gradients = evaluateVjp(op, in))
    return *gradients;
  if (auto attend = dyn_cast<AttentionOp>(op)) {
    Tensor stats;
    Tensor y = attention(in[0], in[1], in[2], in.size() > 3 ? &in[3] : nullptr,
                         {static_cast<int64_t>(attend.getHeads()), attend.getScale().convertToDouble(), attend.getCausal()}, attend.getStats() ? &stats : nullptr);
    return attend.getStats() ? std::vector<Tensor>{y, stats} : std::vector<Tensor>{y};
  }
  auto optional = [&](size_t i) { return in.size() > i ? &in[i] : nullptr; };
  Tensor result =
      TypeSwitch<Operation *, Tensor>(&op)
          .Case([&](ParamOp op) { return parameter(op); })
          .Case([&](ConstantOp op) { return tensorOf(op.getValue(), op.getLoc()); })
          .Case([&](UnaryOp op) {
            Type type = cast<RankedTensorType>(op.getType()).getElementType();
            return map(in[0], [&](double v) { return applyUnary(op.getKind(), v, type); });
          })
          .Case([&](BinaryOp op) {
            bool integer = isa<IntegerType>(cast<RankedTensorType>(op.getType()).getElementType());
            return map2(in[0], in[1], shapeOf(op.getResult()), [&](double a, double b) { return applyBinary(op.getKind(), a, b, integer); });
          })
          .Case([&](ClampOp op) {
            double low = op.getLow().convertToDouble(), high = op.getHigh().convertToDouble();
            return map(in[0], [&](double v) { return v < low ? low : v > high ? high : v; });
          })
          .Case([&](CastOp) { return in[0]; })
          .Case([&](LinearOp) { return linear(in[0], in[1], optional(2)); })
          .Case([&](LoraLinearOp op) {
            size_t factors = op.getBias() ? 3 : 2;
            ArrayRef<int64_t> blocks = op.getBlocks().value_or(ArrayRef<int64_t>());
            Tensor seen = op.getDrop().empty() ? in[0] : dropout(in[0], in.take_back(4));
            Tensor term = loraTerm(seen, in[factors], in[factors + 1], in[factors + 2], {blocks.data(), blocks.size()}, shapeOf(op.getResult()).back());
            return plus(linear(in[0], in[1], op.getBias() ? &in[2] : nullptr), term);
          })
          .Case([&](GatedLinearOp op) {
            size_t factors = op.getBias() ? 3 : 2;
            Tensor y = linear(in[0], in[1], op.getBias() ? &in[2] : nullptr);
            Tensor seen = op.getDrop().empty() ? in[0] : dropout(in[0], in.take_back(4));
            return gate(op, op.getA() ? plus(y, loraTerm(seen, in[factors], in[factors + 1], in[factors + 2])) : y);
          })
          .Case([&](DropoutOp) { return dropout(in[0], in.take_back(4)); })
          .Case([&](MatmulOp op) { return matmul(in[0], in[1], op.getTransposeA(), op.getTransposeB()); })
          .Case([&](Conv2dOp op) { return convolve(op, in); })
          .Case([&](GroupNormOp op) {
            return groupNorm(in[0], in[1], in[2], op.getGroups(), op.getEps().convertToDouble(), op.getLayout() == Layout::nhwc);
          })
          .Case([&](LayerNormOp op) { return layerNorm(in[0], in[1], in[2], op.getEps().convertToDouble()); })
          .Case([&](SoftmaxOp) { return softmax(in[0]); })
          .Case([&](L2NormalizeOp op) { return l2Normalize(in[0], op.getEps().convertToDouble()); })
          .Case([&](ReduceOp op) { return evaluateReduce(op, in[0]); })
          .Case([&](ArgmaxOp) { return argmax(in[0]); })
          .Case([&](ConcatOp op) { return concat(std::vector<Tensor>(in.begin(), in.end()), op.getAxis()); })
          .Case([&](SliceOp op) { return slice(in[0], op.getOffsets(), shapeOf(op.getResult())); })
          .Case([&](ReshapeOp op) {
            Tensor same = in[0];
            same.shape = shapeOf(op.getResult());
            return same;
          })
          .Case([&](TransposeOp op) { return transpose(in[0], op.getPermutation()); })
          .Case([&](BroadcastOp op) { return broadcast(in[0], shapeOf(op.getResult())); })
          .Case([&](GatherOp op) { return gather(in[0], in[1], op.getBatchDims() == 1, placeOf(*op.getOperation())); })
          .Case([&](ResizeNearestOp op) {
            bool last = op.getLayout() == Layout::nhwc;
            Shape out = shapeOf(op.getResult());
            return resizeNearest(in[0], out[last ? 1 : 2], out[last ? 2 : 3], last);
          })
          .Case([&](AdaptiveAvgPoolOp op) {
            bool last = op.getLayout() == Layout::nhwc;
            Shape out = shapeOf(op.getResult());
            return adaptiveAvgPool(in[0], out[last ? 1 : 2], out[last ? 2 : 3], last);
          })
          .Default([&](Operation *other) -> Tensor {
            throw Error(812, placeOf(*other), "an op of the nn dialect", other->getName().getStringRef().str(), "evaluate the module before the kernels phase");
          });
  return {result};
}

Tensor Evaluator::parameter(ParamOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  std::vector<double> values = parameters_ ? parameters_(op.getScope(), op.getKey(), type) : std::vector<double>();
  if (values.empty() && op.getScope().starts_with("adapter:"))
    values.resize(type.getNumElements());
  if (static_cast<int64_t>(values.size()) != type.getNumElements())
    throw Error(811, (op.getScope() + "::" + op.getKey()).str(), std::to_string(type.getNumElements()) + " elements",
                values.empty() ? "no such tensor" : std::to_string(values.size()), "give the folder of the weights");
  return {Shape(type.getShape()), std::move(values)};
}

std::vector<Tensor> Evaluator::repeat(RepeatOp op, Values &values) {
  std::vector<Tensor> carried;
  for (Value init : op.getInits())
    carried.push_back(values.lookup(init));
  int64_t count = op.getMaxTripCount();
  if (op.getCount()) {
    double wanted = values.lookup(op.getCount())[0];
    if (!(wanted >= 0 && wanted <= static_cast<double>(count)))
      throw Error(813, placeOf(*op.getOperation()), "a count from 0 to " + std::to_string(count), std::to_string(static_cast<long long>(wanted)),
                  "compile with a larger bound");
    count = static_cast<int64_t>(wanted);
  }
  for (int64_t i = 0; i < count; ++i) {
    std::vector<Tensor> arguments{Tensor({}, {static_cast<double>(i)})};
    arguments.insert(arguments.end(), carried.begin(), carried.end());
    carried = run(op.getBody().front(), arguments, values);
  }
  return carried;
}

std::vector<Tensor> Evaluator::run(Block &block, ArrayRef<Tensor> arguments, Values &values) {
  // Values defined here die after their last user here (or the op around it), so that large networks fit in memory.
  llvm::DenseMap<Operation *, SmallVector<Value>> dying;
  auto note = [&](Value value) {
    Operation *last = nullptr;
    for (Operation *user : value.getUsers())
      if (Operation *here = block.findAncestorOpInBlock(*user); here && (!last || last->isBeforeInBlock(here)))
        last = here;
    if (last)
      dying[last].push_back(value);
  };
  for (auto [argument, value] : llvm::zip_equal(block.getArguments(), arguments)) {
    values[argument] = value;
    note(argument);
  }
  for (Operation &op : block) {
    SmallVector<Tensor> operands;
    for (Value operand : op.getOperands())
      operands.push_back(values.lookup(operand));
    if (op.hasTrait<OpTrait::IsTerminator>())
      return {operands.begin(), operands.end()};
    std::vector<Tensor> results;
    if (auto loop = dyn_cast<RepeatOp>(op)) {
      results = repeat(loop, values);
    } else if (auto called = dyn_cast<func::CallOp>(op)) {
      auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(called, called.getCalleeAttr());
      if (!callee)
        throw Error(812, placeOf(op), "a function of the module", called.getCallee().str(), "evaluate the whole module");
      results = call(callee, operands);
    } else {
      results = evaluate(op, operands);
    }
    operands.clear();
    for (auto [result, value] : llvm::zip_equal(op.getResults(), results))
      if (!result.use_empty()) {
        values[result] = value;
        note(result);
      }
    if (auto found = dying.find(&op); found != dying.end())
      for (Value value : found->second)
        values.erase(value);
  }
  return {};
}

std::vector<Tensor> Evaluator::call(func::FuncOp function, ArrayRef<Tensor> arguments) {
  if (arguments.size() != function.getNumArguments() || function.isExternal())
    throw Error(813, function.getName().str(), std::to_string(function.getNumArguments()) + " arguments of a function with a body",
                std::to_string(arguments.size()), "give every input once");
  for (auto [i, argument] : llvm::enumerate(function.getArguments()))
    if (shapeOf(argument) != arguments[i].shape)
      throw Error(813, function.getName().str(), "argument " + std::to_string(i) + " of another shape", std::to_string(arguments[i].size()) + " elements",
                  "give the shape the entry declares");
  Values values;
  return run(function.getBody().front(), arguments, values);
}

} // namespace hb::nn
