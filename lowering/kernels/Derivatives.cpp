// Derivatives of the named functions, spelled in arith and math.
#include "lowering/kernels/Scalars.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace hb {

namespace {
/// Arithmetic on scalars of one type.
struct Scalar {
  OpBuilder &b;
  Location where;
  Type type;

  Value c(double value) { return emitFloat(b, where, type, value); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, where, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, where, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, where, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, where, x, y); }
  Value exp(Value x) { return math::ExpOp::create(b, where, x); }
  Value sigmoid(Value x) { return div(c(1), add(c(1), exp(sub(c(0), x)))); }
  Value where_(arith::CmpFPredicate predicate, Value x, Value y, Value yes, Value no) {
    return arith::SelectOp::create(b, where, arith::CmpFOp::create(b, where, predicate, x, y), yes, no);
  }
  /// Of x·σ(slope·x): σ + slope·x·σ·(1 − σ).
  Value swish(Value x, double slope) {
    Value scaled = slope == 1.0 ? x : mul(x, c(slope)), s = sigmoid(scaled);
    return mul(s, add(c(1), mul(scaled, sub(c(1), s))));
  }
};
} // namespace

Value emitDerivative(OpBuilder &b, Location where, nn::UnaryKind kind, Value x) {
  Scalar s{b, where, x.getType()};
  switch (kind) {
  case nn::UnaryKind::silu:
    return s.swish(x, 1.0);
  case nn::UnaryKind::quick_gelu:
    return s.swish(x, 1.702);
  case nn::UnaryKind::gelu: {
    // Of x·Φ(x): Φ(x) + x·φ(x).
    Value phi = s.mul(s.c(0.39894228040143267794), s.exp(s.mul(s.c(-0.5), s.mul(x, x))));
    Value erf = math::ErfOp::create(b, where, s.mul(x, s.c(0.70710678118654752440)));
    return s.add(s.mul(s.c(0.5), s.add(s.c(1), erf)), s.mul(x, phi));
  }
  case nn::UnaryKind::exp:
    return s.exp(x);
  case nn::UnaryKind::log:
    return s.div(s.c(1), x);
  case nn::UnaryKind::sin:
    return math::CosOp::create(b, where, x);
  case nn::UnaryKind::cos:
    return s.sub(s.c(0), math::SinOp::create(b, where, x));
  case nn::UnaryKind::sqrt:
    return s.div(s.c(0.5), math::SqrtOp::create(b, where, x));
  case nn::UnaryKind::neg:
    return s.c(-1);
  case nn::UnaryKind::sigmoid: {
    Value y = s.sigmoid(x);
    return s.mul(y, s.sub(s.c(1), y));
  }
  case nn::UnaryKind::tanh: {
    Value y = math::TanhOp::create(b, where, x);
    return s.sub(s.c(1), s.mul(y, y));
  }
  case nn::UnaryKind::relu:
    return s.where_(arith::CmpFPredicate::OGT, x, s.c(0), s.c(1), s.c(0));
  case nn::UnaryKind::abs:
    return s.where_(arith::CmpFPredicate::OGT, x, s.c(0), s.c(1), s.where_(arith::CmpFPredicate::OLT, x, s.c(0), s.c(-1), s.c(0)));
  }
  return {};
}

} // namespace hb
