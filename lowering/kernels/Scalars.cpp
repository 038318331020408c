#include "lowering/kernels/Scalars.h"

#include "dialects/kernel/Kernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace hb {

Value emitFloat(OpBuilder &b, Location where, Type type, double value) {
  return arith::ConstantOp::create(b, where, b.getFloatAttr(type, value));
}

/// x·σ(k·x) as x / (1 + exp(−k·x)): one division instead of a division and a product, and right at both infinities.
static Value emitSwish(OpBuilder &b, Location where, Value x, double slope) {
  Value scaled = slope == 1.0 ? x : arith::MulFOp::create(b, where, x, emitFloat(b, where, x.getType(), slope)).getResult();
  Value e = math::ExpOp::create(b, where, arith::NegFOp::create(b, where, scaled));
  Value denominator = arith::AddFOp::create(b, where, e, emitFloat(b, where, x.getType(), 1.0));
  return arith::DivFOp::create(b, where, x, denominator);
}

Value emitUnary(OpBuilder &b, Location where, nn::UnaryKind kind, Value x) {
  Type type = x.getType();
  auto constant = [&](double value) { return emitFloat(b, where, type, value); };
  switch (kind) {
  case nn::UnaryKind::silu:
    return emitSwish(b, where, x, 1.0);
  case nn::UnaryKind::quick_gelu:
    return emitSwish(b, where, x, 1.702); // Hendrycks & Gimpel 2016, the sigmoid approximation that CLIP uses
  case nn::UnaryKind::gelu: {
    // x·Φ(x), Φ(x) = (1 + erf(x/√2)) / 2 (Hendrycks & Gimpel 2016).
    Value inner = math::ErfOp::create(b, where, arith::MulFOp::create(b, where, x, constant(0.70710678118654752440)));
    Value half = arith::MulFOp::create(b, where, x, constant(0.5));
    return arith::MulFOp::create(b, where, half, arith::AddFOp::create(b, where, inner, constant(1.0)));
  }
  case nn::UnaryKind::exp:
    return math::ExpOp::create(b, where, x);
  case nn::UnaryKind::log:
    return math::LogOp::create(b, where, x);
  case nn::UnaryKind::sin:
    return math::SinOp::create(b, where, x);
  case nn::UnaryKind::cos:
    return math::CosOp::create(b, where, x);
  case nn::UnaryKind::sqrt:
    return math::SqrtOp::create(b, where, x);
  case nn::UnaryKind::neg:
    return arith::NegFOp::create(b, where, x);
  case nn::UnaryKind::sigmoid: {
    Value e = math::ExpOp::create(b, where, arith::NegFOp::create(b, where, x));
    return arith::DivFOp::create(b, where, constant(1.0), arith::AddFOp::create(b, where, e, constant(1.0)));
  }
  case nn::UnaryKind::tanh:
    return math::TanhOp::create(b, where, x);
  case nn::UnaryKind::relu:
    return arith::MaximumFOp::create(b, where, x, constant(0.0));
  case nn::UnaryKind::abs:
    return math::AbsFOp::create(b, where, x);
  }
  return {};
}

Value emitBinary(OpBuilder &b, Location where, nn::BinaryKind kind, Value lhs, Value rhs) {
  bool isInt = isa<IntegerType>(lhs.getType());
  switch (kind) {
  case nn::BinaryKind::add:
    return isInt ? arith::AddIOp::create(b, where, lhs, rhs).getResult() : arith::AddFOp::create(b, where, lhs, rhs).getResult();
  case nn::BinaryKind::sub:
    return isInt ? arith::SubIOp::create(b, where, lhs, rhs).getResult() : arith::SubFOp::create(b, where, lhs, rhs).getResult();
  case nn::BinaryKind::mul:
    return isInt ? arith::MulIOp::create(b, where, lhs, rhs).getResult() : arith::MulFOp::create(b, where, lhs, rhs).getResult();
  case nn::BinaryKind::div:
    return isInt ? arith::DivSIOp::create(b, where, lhs, rhs).getResult() : arith::DivFOp::create(b, where, lhs, rhs).getResult();
  case nn::BinaryKind::max:
    return isInt ? arith::MaxSIOp::create(b, where, lhs, rhs).getResult() : arith::MaximumFOp::create(b, where, lhs, rhs).getResult();
  case nn::BinaryKind::min:
    return isInt ? arith::MinSIOp::create(b, where, lhs, rhs).getResult() : arith::MinimumFOp::create(b, where, lhs, rhs).getResult();
  case nn::BinaryKind::eq: {
    Value equal = arith::CmpIOp::create(b, where, arith::CmpIPredicate::eq, lhs, rhs);
    return arith::ExtUIOp::create(b, where, b.getI64Type(), equal);
  }
  }
  return {};
}

Value emitConvert(OpBuilder &b, Location where, Value x, Type type) {
  if (x.getType() == type)
    return x;
  if (isa<IntegerType>(x.getType()))
    return arith::SIToFPOp::create(b, where, type, x);
  unsigned from = cast<FloatType>(x.getType()).getWidth(), to = cast<FloatType>(type).getWidth();
  if (from < to)
    return arith::ExtFOp::create(b, where, type, x);
  if (from > to)
    return arith::TruncFOp::create(b, where, type, x);
  // f16 and bf16 have no common conversion but through f32.
  return arith::TruncFOp::create(b, where, type, arith::ExtFOp::create(b, where, b.getF32Type(), x));
}

std::optional<double> evaluateAtZero(Region &region) {
  llvm::DenseMap<Value, double> values;
  for (BlockArgument arg : region.getArguments())
    values[arg] = 0.0;
  for (Operation &op : region.front()) {
    if (auto yield = dyn_cast<kernel::YieldOp>(op))
      return values.lookup(yield.getValues().front());
    auto x = [&](unsigned i) { return values.lookup(op.getOperand(i)); };
    std::optional<double> value =
        llvm::TypeSwitch<Operation *, std::optional<double>>(&op)
            .Case([&](arith::ConstantOp c) -> std::optional<double> {
              if (auto f = dyn_cast<FloatAttr>(c.getValue()))
                return f.getValueAsDouble();
              return std::nullopt;
            })
            .Case<arith::AddFOp>([&](auto) { return x(0) + x(1); })
            .Case<arith::SubFOp>([&](auto) { return x(0) - x(1); })
            .Case<arith::MulFOp>([&](auto) { return x(0) * x(1); })
            .Case<arith::DivFOp>([&](auto) { return x(0) / x(1); })
            .Case<arith::NegFOp>([&](auto) { return -x(0); })
            .Case<arith::MaximumFOp>([&](auto) { return std::max(x(0), x(1)); })
            .Case<arith::MinimumFOp>([&](auto) { return std::min(x(0), x(1)); })
            .Case<arith::ExtFOp, arith::TruncFOp>([&](auto) { return x(0); })
            .Case<math::ExpOp>([&](auto) { return std::exp(x(0)); })
            .Case<math::ErfOp>([&](auto) { return std::erf(x(0)); })
            .Case<math::TanhOp>([&](auto) { return std::tanh(x(0)); })
            .Case<math::SqrtOp>([&](auto) { return std::sqrt(x(0)); })
            .Case<math::AbsFOp>([&](auto) { return std::abs(x(0)); })
            .Case<math::SinOp>([&](auto) { return std::sin(x(0)); })
            .Default([](Operation *) { return std::nullopt; });
    if (!value)
      return std::nullopt;
    values[op.getResult(0)] = *value;
  }
  return std::nullopt;
}

} // namespace hb
