#include "lowering/emit/DropMask.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace hb::emit {
namespace {

Value integerLike(CodeBuilder &kb, uint64_t value, Type type) {
  auto element = cast<IntegerType>(getElementTypeOrSelf(type));
  IntegerAttr number = kb.b.getIntegerAttr(element, APInt(element.getWidth(), value));
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(kb.b, kb.loc, DenseElementsAttr::get(vector, number.getValue()));
  return arith::ConstantOp::create(kb.b, kb.loc, number);
}

/// (h ⊕ (h >> shift)) · factor, the step of both finalisers.
Value mixStep(CodeBuilder &kb, Value h, unsigned shift, uint64_t factor) {
  Value shifted = arith::ShRUIOp::create(kb.b, kb.loc, h, integerLike(kb, shift, h.getType()));
  Value folded = arith::XOrIOp::create(kb.b, kb.loc, h, shifted);
  return factor == 1 ? folded : arith::MulIOp::create(kb.b, kb.loc, folded, integerLike(kb, factor, h.getType())).getResult();
}

/// SplitMix64 (see nn.dropout).
Value mix64(CodeBuilder &kb, Value z) {
  z = arith::AddIOp::create(kb.b, kb.loc, z, integerLike(kb, 0x9E3779B97F4A7C15u, z.getType()));
  return mixStep(kb, mixStep(kb, mixStep(kb, z, 30, 0xBF58476D1CE4E5B9u), 27, 0x94D049BB133111EBu), 31, 1);
}

} // namespace

DropMask::DropMask(CodeBuilder &kb, ArrayRef<Value> scalars) : kb_(kb) {
  Value probability = scalars[0], key = mix64(kb, scalars[1]);
  for (Value more : scalars.drop_front(2))
    key = mix64(kb, arith::AddIOp::create(kb.b, kb.loc, key, more));
  Type i32 = kb.b.getI32Type();
  low_ = arith::TruncIOp::create(kb.b, kb.loc, i32, key);
  Value shifted = arith::ShRUIOp::create(kb.b, kb.loc, key, integerLike(kb, 32, kb.i64()));
  high_ = arith::TruncIOp::create(kb.b, kb.loc, i32, shifted);
  // Exact: a float32 times 2^32 has no more bits, and what is cut off is below one.
  Value scaled = arith::FPToSIOp::create(kb.b, kb.loc, kb.i64(), kb.fmul(probability, kb.f(4294967296.0)));
  threshold_ = arith::TruncIOp::create(kb.b, kb.loc, i32, scaled);
  factor_ = kb.fdiv(kb.f(1.0), kb.fsub(kb.f(1.0), probability));
  active_ = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::ONE, probability, kb.f(0.0));
}

Value DropMask::mix(Value h) { return mixStep(kb_, mixStep(kb_, mixStep(kb_, h, 16, 0x85EBCA6Bu), 13, 0xC2B2AE35u), 16, 1); }

Value DropMask::apply(Value x, Value number, int lanes) {
  auto spread = [&](Value value) -> Value {
    return lanes == 1 ? value : vector::BroadcastOp::create(kb_.b, kb_.loc, kb_.vec(lanes, value.getType()), value).getResult();
  };
  Value h = spread(kb_.toI32(number));
  if (lanes > 1)
    h = arith::AddIOp::create(kb_.b, kb_.loc, h, kb_.laneNumbers(lanes));
  h = mix(arith::XOrIOp::create(kb_.b, kb_.loc, h, spread(low_)));
  h = mix(arith::XOrIOp::create(kb_.b, kb_.loc, h, spread(high_)));
  Value kept = arith::CmpIOp::create(kb_.b, kb_.loc, arith::CmpIPredicate::uge, h, spread(threshold_));
  return arith::SelectOp::create(kb_.b, kb_.loc, kept, kb_.fmul(x, spread(factor_)), kb_.splat(0.0, lanes));
}

} // namespace hb::emit
