#include "lowering/emit/FloatMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace hb::emit {
namespace {

/// Shorthand for one argument's type: constants, integer twins, comparisons.
struct Lane {
  CodeBuilder &kb;
  Type type;
  int lanes;

  Lane(CodeBuilder &kb, Value x) : kb(kb), type(x.getType()), lanes(isa<VectorType>(x.getType()) ? cast<VectorType>(x.getType()).getDimSize(0) : 1) {}
  Value c(double value) { return kb.splat(value, lanes); }
  Type intType() { return lanes == 1 ? Type(kb.b.getI32Type()) : Type(kb.vec(lanes, kb.b.getI32Type())); }
  Value ic(int32_t value) { return kb.broadcast(arith::ConstantOp::create(kb.b, kb.loc, kb.b.getI32IntegerAttr(value)), lanes); }
  Value bits(Value x) { return arith::BitcastOp::create(kb.b, kb.loc, intType(), x); }
  Value fromBits(Value x) { return arith::BitcastOp::create(kb.b, kb.loc, type, x); }
  Value toInt(Value x) { return arith::FPToSIOp::create(kb.b, kb.loc, intType(), x); }
  Value round(Value x) { return math::RoundEvenOp::create(kb.b, kb.loc, x); }
  Value abs(Value x) { return math::AbsFOp::create(kb.b, kb.loc, x); }
  Value cmp(arith::CmpFPredicate predicate, Value x, Value y) { return arith::CmpFOp::create(kb.b, kb.loc, predicate, x, y); }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(kb.b, kb.loc, condition, x, y); }
  /// Clamps so that NaN stays NaN: the comparison is false for it.
  Value atMost(Value x, double limit) { return select(cmp(arith::CmpFPredicate::OGT, x, c(limit)), c(limit), x); }
  Value atLeast(Value x, double limit) { return select(cmp(arith::CmpFPredicate::OLT, x, c(limit)), c(limit), x); }
  /// Horner: coefficients from the highest power down.
  Value poly(Value x, std::initializer_list<double> coefficients) {
    auto it = coefficients.begin();
    Value p = c(*it++);
    for (; it != coefficients.end(); ++it)
      p = kb.fma(p, x, c(*it));
    return p;
  }
  /// p · 2^n for |n| ≤ 252 with gradual underflow and overflow to inf.
  Value scale(Value p, Value n) {
    if (Value scaled = kb.scaleByPower(p, n))
      return scaled;
    // Two factors, so that each is a normal number: 2^n may be as small as 2^-150 or as large as 2^128.
    Value k = toInt(n), half = arith::ShRSIOp::create(kb.b, kb.loc, k, ic(1)), rest = arith::SubIOp::create(kb.b, kb.loc, k, half);
    auto power = [&](Value e) { return fromBits(arith::ShLIOp::create(kb.b, kb.loc, arith::AddIOp::create(kb.b, kb.loc, e, ic(127)), ic(23))); };
    return kb.fmul(kb.fmul(p, power(half)), power(rest));
  }
};

} // namespace

Value buildExp(CodeBuilder &kb, Value x) {
  Lane l(kb, x);
  x = l.atLeast(l.atMost(x, 89.0), -105.0); // exp(89) = inf, exp(-105) = 0 in f32
  Value n = l.round(kb.fmul(x, l.c(1.44269504088896341)));
  Value r = kb.fma(n, l.c(-0.693359375), x);
  r = kb.fma(n, l.c(2.12194440e-4), r);
  Value p = l.poly(r, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1});
  p = kb.fma(p, kb.fmul(r, r), r);
  return l.scale(kb.fadd(p, l.c(1.0)), n);
}

Value buildExp2(CodeBuilder &kb, Value x) {
  Lane l(kb, x);
  x = l.atLeast(l.atMost(x, 129.0), -151.0);
  Value n = l.round(x), r = kb.fsub(x, n);
  // Minimax of (2^r - 1)/r on [-1/2, 1/2], so the value at 0 is exactly 1 (flash attention multiplies powers of 2^0 up).
  Value p = l.poly(r, {1.5353362025e-04, 1.3398874650e-03, 9.6184373591e-03, 5.5503324705e-02, 2.4022647914e-01, 6.9314720286e-01, 1.0});
  return l.scale(p, n);
}

Value buildLog(CodeBuilder &kb, Value x) {
  Lane l(kb, x);
  // Denormals are scaled into the normal range first.
  Value small = l.cmp(arith::CmpFPredicate::OLT, x, l.c(1.17549435e-38));
  Value y = l.select(small, kb.fmul(x, l.c(8388608.0)), x);
  Value bits = l.bits(y);
  Value e =
      arith::SIToFPOp::create(kb.b, kb.loc, x.getType(), arith::SubIOp::create(kb.b, kb.loc, arith::ShRUIOp::create(kb.b, kb.loc, bits, l.ic(23)), l.ic(126)));
  e = l.select(small, kb.fsub(e, l.c(23.0)), e);
  Value m = l.fromBits(arith::OrIOp::create(kb.b, kb.loc, arith::AndIOp::create(kb.b, kb.loc, bits, l.ic(0x007fffff)), l.ic(0x3f000000))); // in [1/2, 1)
  Value low = l.cmp(arith::CmpFPredicate::OLT, m, l.c(0.707106781186547524));
  e = l.select(low, kb.fsub(e, l.c(1.0)), e);
  m = kb.fsub(l.select(low, kb.fadd(m, m), m), l.c(1.0));
  Value z = kb.fmul(m, m);
  Value p = l.poly(m, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
                       -2.4999993993e-1, 3.3333331174e-1});
  p = kb.fmul(kb.fmul(p, m), z);
  p = kb.fma(e, l.c(-2.12194440e-4), p);
  p = kb.fma(l.c(-0.5), z, p);
  Value r = kb.fma(e, l.c(0.693359375), kb.fadd(m, p));
  r = l.select(l.cmp(arith::CmpFPredicate::OEQ, x, l.c(INFINITY)), x, r);
  r = l.select(l.cmp(arith::CmpFPredicate::OEQ, x, l.c(0.0)), l.c(-INFINITY), r);
  return l.select(l.cmp(arith::CmpFPredicate::ULT, x, l.c(0.0)), l.c(NAN), r); // also NaN itself (unordered)
}

Value buildErf(CodeBuilder &kb, Value x) {
  Lane l(kb, x);
  // Odd rational x·P(x²)/Q(x²), fitted for relative error on [-3.8325, 3.8325] (4e-8 before rounding); erf is ±1 beyond.
  x = l.atLeast(l.atMost(x, 3.8325), -3.8325);
  Value x2 = kb.fmul(x, x);
  Value p = l.poly(x2, {2.096956769e-08, -1.985721668e-06, 1.366584051e-04, 3.405356596e-03, 4.959724943e-02, 1.924360246e-01, 1.128379122e+00});
  Value q = l.poly(x2, {8.904264611e-04, 1.373156566e-02, 1.119194942e-01, 5.038740095e-01, 1.0});
  return kb.fdiv(kb.fmul(p, x), q);
}

Value buildTanh(CodeBuilder &kb, Value x) {
  Lane l(kb, x);
  Value a = l.abs(x), z = kb.fmul(x, x);
  Value small = kb.fma(kb.fmul(l.poly(z, {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1}), z), x, x);
  // 1 - 2/(e^2a + 1), with the sign of x.
  Value e = buildExp(kb, kb.fadd(a, a));
  Value large = kb.fsub(l.c(1.0), kb.fdiv(l.c(2.0), kb.fadd(e, l.c(1.0))));
  large = math::CopySignOp::create(kb.b, kb.loc, large, x);
  return l.select(l.cmp(arith::CmpFPredicate::OLT, a, l.c(0.625)), small, large);
}

/// sin(x + quarter·π/2).
static Value buildSinusoid(CodeBuilder &kb, Value x, int quarter) {
  Lane l(kb, x);
  Value n = l.round(kb.fmul(x, l.c(0.636619772367581343)));
  // π/2 in three f32 parts; each product is exact inside the fma, so the remainder keeps f32 accuracy up to |x| ≈ 1e4.
  Value r = kb.fma(n, l.c(-1.57079637050628662109375), x);
  r = kb.fma(n, l.c(4.37113900018624283e-8), r);
  r = kb.fma(n, l.c(1.71512451e-15), r);
  Value z = kb.fmul(r, r);
  Value s = kb.fma(kb.fmul(l.poly(z, {-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1}), z), r, r);
  Value c = kb.fma(kb.fmul(l.poly(z, {2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2}), z), z, kb.fma(z, l.c(-0.5), l.c(1.0)));
  Value k = arith::AddIOp::create(kb.b, kb.loc, l.toInt(n), l.ic(quarter));
  Value odd = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::ne, arith::AndIOp::create(kb.b, kb.loc, k, l.ic(1)), l.ic(0));
  Value value = l.select(odd, c, s);
  Value sign = arith::ShLIOp::create(kb.b, kb.loc, arith::AndIOp::create(kb.b, kb.loc, k, l.ic(2)), l.ic(30));
  return l.fromBits(arith::XOrIOp::create(kb.b, kb.loc, l.bits(value), sign));
}

Value buildSin(CodeBuilder &kb, Value x) { return buildSinusoid(kb, x, 0); }
Value buildCos(CodeBuilder &kb, Value x) { return buildSinusoid(kb, x, 1); }

Value buildSqrt(CodeBuilder &kb, Value x) { return math::SqrtOp::create(kb.b, kb.loc, x); }

/// Folds the upper half of the lanes onto the lower one until one is left.
static Value foldLanes(CodeBuilder &kb, Value x, const std::function<Value(Value, Value)> &combine) {
  int64_t lanes = cast<VectorType>(x.getType()).getDimSize(0);
  while (lanes > 1) {
    SmallVector<int64_t> low(lanes / 2), high(lanes / 2);
    for (int64_t lane = 0; lane < lanes / 2; ++lane) {
      low[lane] = lane;
      high[lane] = lane + lanes / 2;
    }
    x = combine(vector::ShuffleOp::create(kb.b, kb.loc, x, x, low), vector::ShuffleOp::create(kb.b, kb.loc, x, x, high));
    lanes /= 2;
  }
  return vector::ExtractOp::create(kb.b, kb.loc, x, ArrayRef<int64_t>{0});
}

Value buildLaneSum(CodeBuilder &kb, Value x) {
  return foldLanes(kb, x, [&](Value a, Value b) { return kb.fadd(a, b); });
}
Value buildLaneMax(CodeBuilder &kb, Value x) {
  return foldLanes(kb, x, [&](Value a, Value b) { return arith::MaximumFOp::create(kb.b, kb.loc, a, b).getResult(); });
}

} // namespace hb::emit
