// kernel.dropout, and the mask that contractions share with it.
#include "lowering/emit/x86/Dropout.h"

#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb::x86 {
namespace {

Value integerLike(KernelBuilder &kb, uint64_t value, Type type) {
  auto element = cast<IntegerType>(getElementTypeOrSelf(type));
  IntegerAttr number = kb.b.getIntegerAttr(element, APInt(element.getWidth(), value));
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(kb.b, kb.loc, DenseElementsAttr::get(vector, number.getValue()));
  return arith::ConstantOp::create(kb.b, kb.loc, number);
}

/// (h ⊕ (h >> shift)) · factor, the step of both finalisers.
Value mixStep(KernelBuilder &kb, Value h, unsigned shift, uint64_t factor) {
  Value shifted = arith::ShRUIOp::create(kb.b, kb.loc, h, integerLike(kb, shift, h.getType()));
  Value folded = arith::XOrIOp::create(kb.b, kb.loc, h, shifted);
  return factor == 1 ? folded : arith::MulIOp::create(kb.b, kb.loc, folded, integerLike(kb, factor, h.getType())).getResult();
}

/// SplitMix64 (see nn.dropout).
Value mix64(KernelBuilder &kb, Value z) {
  z = arith::AddIOp::create(kb.b, kb.loc, z, integerLike(kb, 0x9E3779B97F4A7C15u, z.getType()));
  return mixStep(kb, mixStep(kb, mixStep(kb, z, 30, 0xBF58476D1CE4E5B9u), 27, 0x94D049BB133111EBu), 31, 1);
}

} // namespace

DropMask::DropMask(KernelBuilder &kb, ValueRange drop) : kb_(kb) {
  auto scalar = [&](Value operand) {
    const Operand &o = kb.operand(operand);
    return kb.load(o, kb.i(o.offset), 1);
  };
  Value probability = scalar(drop[0]), key = mix64(kb, scalar(drop[1]));
  for (Value more : drop.drop_front(2)) {
    Value next = scalar(more);
    key = mix64(kb, arith::AddIOp::create(kb.b, kb.loc, key, next));
  }
  Type i32 = kb.b.getI32Type();
  low_ = arith::TruncIOp::create(kb.b, kb.loc, i32, key);
  Value shifted = arith::ShRUIOp::create(kb.b, kb.loc, key, kb.i(32));
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
  Value h = spread(arith::TruncIOp::create(kb_.b, kb_.loc, kb_.b.getI32Type(), number));
  if (lanes > 1)
    h = arith::AddIOp::create(kb_.b, kb_.loc, h, laneNumbers(kb_, lanes));
  h = mix(arith::XOrIOp::create(kb_.b, kb_.loc, h, spread(low_)));
  h = mix(arith::XOrIOp::create(kb_.b, kb_.loc, h, spread(high_)));
  Value kept = arith::CmpIOp::create(kb_.b, kb_.loc, arith::CmpIPredicate::uge, h, spread(threshold_));
  return arith::SelectOp::create(kb_.b, kb_.loc, kept, kb_.fmul(x, spread(factor_)), kb_.splat(0.0, lanes));
}

FailureOr<Launch> emitDropout(KernelBuilder &kb, Operation *op) {
  auto dropout = cast<kernel::DropoutOp>(op);
  const Operand &x = kb.operand(dropout.getX()), &y = kb.operand(dropout.getResult());
  if (!x.contiguous() || !y.contiguous())
    return op->emitOpError("needs contiguous operands");
  // Tasks of a size that a first-level cache holds, in whole vectors of every variant.
  constexpr int64_t taskElements = 4096;
  const int64_t count = x.type.getNumElements(), grid = std::max<int64_t>(1, (count + taskElements - 1) / taskElements);
  DropMask mask(kb, dropout.getDrop());
  auto piece = [&](Value at, int lanes) {
    Value value = kb.load(x, kb.add(at, x.offset), lanes);
    kb.store(y, kb.add(at, y.offset), mask.apply(value, at, lanes));
  };
  Value first = kb.mul(kb.task, taskElements), end = kb.min(kb.add(first, taskElements), kb.i(count));
  Value whole = kb.add(first, kb.mul(kb.div(kb.sub(end, first), kb.lanes()), kb.lanes()));
  kb.loop(first, whole, kb.lanes(), [&](Value at) { piece(at, kb.lanes()); });
  if (count % kb.lanes())
    kb.loop(whole, end, 1, [&](Value at) { piece(at, 1); });
  return Launch{grid, 0};
}

} // namespace hb::x86
