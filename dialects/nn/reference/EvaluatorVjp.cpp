// The evaluator's vector-Jacobian products.
#include "dialects/nn/reference/Evaluator.h"
#include "dialects/nn/reference/KernelsVjp.h"

#include <cmath>

using namespace mlir;

namespace hb::nn {

double derivative(UnaryKind kind, double x, Type type) {
  auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  auto gated = [&](double slope) { return sigmoid(slope * x) * (1 + slope * x * (1 - sigmoid(slope * x))); }; // of x·σ(slope·x)
  switch (kind) {
  case UnaryKind::silu: return gated(1);
  case UnaryKind::quick_gelu: return gated(1.702);
  case UnaryKind::gelu: return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI); // Φ + x·φ
  case UnaryKind::exp: return std::exp(x);
  case UnaryKind::log: return 1 / x;
  case UnaryKind::sin: return applyUnary(UnaryKind::cos, x, type);
  case UnaryKind::cos: return -applyUnary(UnaryKind::sin, x, type);
  case UnaryKind::sqrt: return 0.5 / std::sqrt(x);
  case UnaryKind::neg: return -1;
  case UnaryKind::sigmoid: return sigmoid(x) * (1 - sigmoid(x));
  case UnaryKind::tanh: return 1 - std::tanh(x) * std::tanh(x);
  case UnaryKind::relu: return x > 0;
  case UnaryKind::abs: return (x > 0) - (x < 0);
  }
  llvm_unreachable("unknown unary kind");
}

std::optional<std::vector<Tensor>> Evaluator::evaluateVjp(Operation &op, ArrayRef<Tensor> in) {
  using namespace reference;
  auto shapeOf = [](Value value) { return Shape(cast<RankedTensorType>(value.getType()).getShape()); };
  auto one = [](Tensor tensor) { return std::vector<Tensor>{std::move(tensor)}; };
  using Results = std::optional<std::vector<Tensor>>;
  return TypeSwitch<Operation *, Results>(&op)
      .Case([&](UnaryVjpOp op) {
        Type type = cast<RankedTensorType>(op.getType()).getElementType();
        return one(map2(in[0], in[1], in[0].shape, [&](double x, double dy) { return dy * derivative(op.getKind(), x, type); }));
      })
      .Case([&](ClampVjpOp op) {
        double low = op.getLow().convertToDouble(), high = op.getHigh().convertToDouble();
        return one(map2(in[0], in[1], in[0].shape, [&](double x, double dy) { return x >= low && x <= high ? dy : 0; }));
      })
      .Case([&](ExtremeVjpOp op) {
        bool max = op.getKind() == BinaryKind::max;
        Tensor share = map2(in[0], in[1], in[0].shape, [&](double a, double b) { return a == b ? 0.5 : (a > b) == max ? 1 : 0; });
        return one(map2(share, in[2], share.shape, [](double s, double dy) { return s * dy; }));
      })
      .Case([&](LinearVjpOp op) {
        auto rows = [](const Tensor &x) { return Tensor{{x.size() / x.shape.back(), x.shape.back()}, *x.elements}; };
        Tensor dy = rows(in[0]), dx = matmul(dy, in[1], false, false);
        if (op.getA()) {
          Tensor inner = matmul(dy, in[3], false, false);
          inner = map2(inner, in[4], inner.shape, [](double t, double s) { return t * s; });
          Tensor term = matmul(inner, in[2], false, false);
          dx = map2(dx, op.getDrop().empty() ? term : dropout(term, in.take_back(4)), dx.shape, [](double a, double b) { return a + b; });
        }
        dx.shape = shapeOf(op.getResult());
        return one(dx);
      })
      .Case([&](Conv2dVjpOp op) {
        bool last = op.getLayout() == Layout::nhwc;
        Shape out = in[0].shape;
        ConvGeometry geometry{op.getStrides()[0], op.getStrides()[1], op.getPadding()[0], op.getPadding()[2], out[last ? 1 : 2], out[last ? 2 : 3]};
        return one(conv2dVjp(in[0], in[1], shapeOf(op.getResult()), geometry, last));
      })
      .Case([&](AttentionVjpOp op) {
        AttentionGradients g = attentionVjp({in[0], in[1], in[2], in[3], in[4], in[5], in.size() > 6 ? &in[6] : nullptr},
                                            {static_cast<int64_t>(op.getHeads()), op.getScale().convertToDouble(), op.getCausal()});
        return std::vector<Tensor>{g.dq, g.dk, g.dv};
      })
      .Case([&](GroupNormVjpOp op) {
        return one(groupNormVjp(in[0], in[1], in[2], op.getGroups(), op.getEps().convertToDouble(), op.getLayout() == Layout::nhwc));
      })
      .Case([&](LayerNormVjpOp op) { return one(layerNormVjp(in[0], in[1], in[2], op.getEps().convertToDouble())); })
      .Case([&](SoftmaxVjpOp) { return one(softmaxVjp(in[0], in[1])); })
      .Case([&](L2NormalizeVjpOp op) { return one(l2NormalizeVjp(in[0], in[1], op.getEps().convertToDouble())); })
      .Case([&](ReduceMaxVjpOp op) { return one(reduceMaxVjp(in[0], in[1], op.getAxis())); })
      .Case([&](SliceVjpOp op) { return one(sliceVjp(in[0], op.getOffsets(), shapeOf(op.getResult()))); })
      .Case([&](ResizeNearestVjpOp op) { return one(resizeNearestVjp(in[0], shapeOf(op.getResult()), op.getLayout() == Layout::nhwc)); })
      .Case([&](AdaptiveAvgPoolVjpOp op) { return one(adaptiveAvgPoolVjp(in[0], shapeOf(op.getResult()), op.getLayout() == Layout::nhwc)); })
      .Default([](Operation *) { return Results(); });
}

} // namespace hb::nn
