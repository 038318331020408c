#include "lowering/emit/CodeBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace hb::emit {

// ---------------------------------------------------------------- constants and integers

std::optional<int64_t> CodeBuilder::constantOf(Value value) {
  IntegerAttr attr;
  if (matchPattern(value, m_Constant(&attr)))
    return attr.getInt();
  return std::nullopt;
}

Value CodeBuilder::i(int64_t value) { return arith::ConstantOp::create(b, loc, b.getIntegerAttr(index_, value)); }
Value CodeBuilder::f(double value) { return splat(value, 1); }

Value CodeBuilder::splat(double value, int lanes) {
  FloatAttr attr = b.getF32FloatAttr(static_cast<float>(value));
  if (lanes == 1)
    return arith::ConstantOp::create(b, loc, attr);
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vec(lanes), attr.getValue()));
}

Value CodeBuilder::constantLike(double value, Value like) {
  Type type = like.getType();
  FloatAttr attr = b.getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, attr.getValue()));
  return arith::ConstantOp::create(b, loc, attr);
}

static constexpr auto nsw = arith::IntegerOverflowFlags::nsw;

Value CodeBuilder::add(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return i(*cx + *cy);
  if (cx && *cx == 0)
    return y;
  if (cy && *cy == 0)
    return x;
  return arith::AddIOp::create(b, loc, x, y, nsw);
}
Value CodeBuilder::add(Value x, int64_t y) { return y == 0 ? x : add(x, i(y)); }
Value CodeBuilder::sub(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return i(*cx - *cy);
  return cy && *cy == 0 ? x : arith::SubIOp::create(b, loc, x, y, nsw).getResult();
}
Value CodeBuilder::mul(Value x, int64_t y) {
  auto cx = constantOf(x);
  if (cx)
    return i(*cx * y);
  if (y == 0)
    return i(0);
  return y == 1 ? x : arith::MulIOp::create(b, loc, x, i(y), nsw).getResult();
}
Value CodeBuilder::mul(Value x, Value y) {
  if (auto cy = constantOf(y))
    return mul(x, *cy);
  if (auto cx = constantOf(x))
    return mul(y, *cx);
  return arith::MulIOp::create(b, loc, x, y, nsw);
}
Value CodeBuilder::div(Value x, int64_t y) {
  if (auto cx = constantOf(x))
    return i(*cx / y);
  return y == 1 ? x : arith::DivUIOp::create(b, loc, x, i(y)).getResult();
}
Value CodeBuilder::rem(Value x, int64_t y) {
  if (auto cx = constantOf(x))
    return i(*cx % y);
  return y == 1 ? i(0) : arith::RemUIOp::create(b, loc, x, i(y)).getResult();
}
Value CodeBuilder::min(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  return cx && cy ? i(std::min(*cx, *cy)) : arith::MinSIOp::create(b, loc, x, y).getResult();
}
Value CodeBuilder::max(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  return cx && cy ? i(std::max(*cx, *cy)) : arith::MaxSIOp::create(b, loc, x, y).getResult();
}
Value CodeBuilder::less(Value x, Value y) { return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y); }

SmallVector<Value> CodeBuilder::delinearize(Value x, ArrayRef<int64_t> shape) {
  SmallVector<Value> indices(shape.size());
  for (int64_t d = static_cast<int64_t>(shape.size()); d-- > 0;) {
    indices[d] = d == 0 ? x : rem(x, shape[d]);
    x = d == 0 ? x : div(x, shape[d]);
  }
  return indices;
}

Value CodeBuilder::affine(AffineExpr expr, ArrayRef<Value> dims) {
  switch (expr.getKind()) {
  case AffineExprKind::Constant:
    return i(cast<AffineConstantExpr>(expr).getValue());
  case AffineExprKind::DimId:
    return dims[cast<AffineDimExpr>(expr).getPosition()];
  case AffineExprKind::SymbolId:
    llvm_unreachable("kernel maps have no symbols");
  default:
    break;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = affine(binary.getLHS(), dims);
  if (expr.getKind() == AffineExprKind::Add)
    return add(lhs, affine(binary.getRHS(), dims));
  if (expr.getKind() == AffineExprKind::Mul)
    return mul(lhs, affine(binary.getRHS(), dims));
  int64_t divisor = cast<AffineConstantExpr>(binary.getRHS()).getValue();
  if (auto constant = constantOf(lhs)) { // fold with the affine dialect's meaning (towards minus infinity)
    int64_t mod = ((*constant % divisor) + divisor) % divisor, floor = (*constant - mod) / divisor;
    return i(expr.getKind() == AffineExprKind::Mod        ? mod
             : expr.getKind() == AffineExprKind::FloorDiv ? floor
                                                          : -((-*constant - (((-*constant) % divisor + divisor) % divisor)) / divisor));
  }
  // Indices may be negative before a shift (padding): floor semantics need the correction of the truncating instructions.
  Value quotient;
  if (expr.getKind() == AffineExprKind::CeilDiv)
    return arith::CeilDivSIOp::create(b, loc, lhs, i(divisor));
  if ((divisor & (divisor - 1)) == 0)
    quotient = arith::ShRSIOp::create(b, loc, lhs, i(llvm::Log2_64(divisor)));
  else {
    Value truncated = arith::DivSIOp::create(b, loc, lhs, i(divisor));
    Value rest = sub(lhs, mul(truncated, divisor));
    Value negative = less(rest, i(0));
    quotient = sub(truncated, arith::ExtUIOp::create(b, loc, index_, negative));
  }
  return expr.getKind() == AffineExprKind::FloorDiv ? quotient : sub(lhs, mul(quotient, divisor));
}

// ---------------------------------------------------------------- floats

Value CodeBuilder::broadcast(Value x, int lanes) {
  if (lanes == 1 || isa<VectorType>(x.getType()))
    return x;
  return vector::BroadcastOp::create(b, loc, vec(lanes, x.getType()), x);
}

Value CodeBuilder::fma(Value x, Value y, Value z) {
  if (isa<VectorType>(x.getType()))
    return vector::FMAOp::create(b, loc, x, y, z);
  return math::FmaOp::create(b, loc, x, y, z);
}
Value CodeBuilder::fadd(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
Value CodeBuilder::fsub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
Value CodeBuilder::fmul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
Value CodeBuilder::fdiv(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }

// ---------------------------------------------------------------- control flow

void CodeBuilder::loop(Value lower, Value upper, int64_t step, const std::function<void(Value)> &body) {
  scf::ForOp::create(b, loc, lower, upper, i(step), ValueRange{}, [&](OpBuilder &, Location, Value iv, ValueRange) {
    body(iv);
    scf::YieldOp::create(b, loc);
  });
}

void CodeBuilder::loop(int64_t lower, int64_t upper, int64_t step, const std::function<void(Value)> &body) {
  if (lower >= upper)
    return;
  if (lower + step >= upper) // one turn
    return body(i(lower));
  loop(i(lower), i(upper), step, body);
}

SmallVector<Value> CodeBuilder::loop(Value lower, Value upper, int64_t step, ValueRange init,
                                       const std::function<SmallVector<Value>(Value, ValueRange)> &body) {
  auto loop = scf::ForOp::create(b, loc, lower, upper, i(step), init, [&](OpBuilder &, Location, Value iv, ValueRange carried) {
    SmallVector<Value> next = body(iv, carried);
    scf::YieldOp::create(b, loc, next);
  });
  return SmallVector<Value>(loop.getResults());
}

void CodeBuilder::ifThen(Value condition, const std::function<void()> &then, const std::function<void()> &otherwise) {
  // The builder callbacks of scf.if use the same OpBuilder, so `b` is positioned inside the branch while they run.
  auto branch = [&](const std::function<void()> &part) {
    return [&, part](OpBuilder &, Location) {
      part();
      scf::YieldOp::create(b, loc);
    };
  };
  if (otherwise)
    scf::IfOp::create(b, loc, condition, branch(then), branch(otherwise));
  else
    scf::IfOp::create(b, loc, condition, branch(then));
}

SmallVector<Value> CodeBuilder::select(Value condition, const std::function<SmallVector<Value>()> &then,
                                         const std::function<SmallVector<Value>()> &otherwise) {
  auto op = scf::IfOp::create(
      b, loc, condition, [&](OpBuilder &, Location) { scf::YieldOp::create(b, loc, then()); },
      [&](OpBuilder &, Location) { scf::YieldOp::create(b, loc, otherwise()); });
  return SmallVector<Value>(op.getResults());
}

static Type withElement(Type like, Type element) {
  auto vector = dyn_cast<VectorType>(like);
  return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
}

Value CodeBuilder::widen(Value value) {
  Type element = getElementTypeOrSelf(value.getType());
  if (element.isF16())
    return arith::ExtFOp::create(b, loc, withElement(value.getType(), f32()), value);
  if (element.isBF16()) { // by integers: the scalar conversion would be a library call on some levels
    Value bits = arith::BitcastOp::create(b, loc, withElement(value.getType(), b.getI16Type()), value);
    Type wide = withElement(value.getType(), b.getI32Type());
    Value shifted = arith::ExtUIOp::create(b, loc, wide, bits);
    Value sixteen = broadcast(arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(16)), isa<VectorType>(wide) ? cast<VectorType>(wide).getDimSize(0) : 1);
    shifted = arith::ShLIOp::create(b, loc, shifted, sixteen);
    return arith::BitcastOp::create(b, loc, withElement(value.getType(), f32()), shifted);
  }
  if (element.isF64())
    return arith::TruncFOp::create(b, loc, withElement(value.getType(), f32()), value);
  return value;
}

Value CodeBuilder::narrow(Value value, Type element) {
  Type from = getElementTypeOrSelf(value.getType());
  if (from == element || !from.isF32())
    return value;
  Type to = withElement(value.getType(), element);
  if (element.isF64())
    return arith::ExtFOp::create(b, loc, to, value);
  if (!element.isBF16())
    return arith::TruncFOp::create(b, loc, to, value);
  // Round to nearest even on the bit pattern; NaN keeps a quiet payload. (x + 0x7fff + bit16) >> 16.
  int lanes = isa<VectorType>(to) ? cast<VectorType>(to).getDimSize(0) : 1;
  auto k = [&](int32_t c) { return broadcast(arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(c)), lanes); };
  Value bits = arith::BitcastOp::create(b, loc, withElement(to, b.getI32Type()), value);
  Value odd = arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, bits, k(16)), k(1));
  Value rounded = arith::AddIOp::create(b, loc, bits, arith::AddIOp::create(b, loc, odd, k(0x7fff)));
  Value nan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, value, value);
  rounded = arith::SelectOp::create(b, loc, nan, arith::OrIOp::create(b, loc, bits, k(0x400000)), rounded);
  Value high = arith::TruncIOp::create(b, loc, withElement(to, b.getI16Type()), arith::ShRUIOp::create(b, loc, rounded, k(16)));
  return arith::BitcastOp::create(b, loc, to, high);
}

Value CodeBuilder::toI32(Value index) { return index.getType().isInteger(32) ? index : arith::TruncIOp::create(b, loc, b.getI32Type(), index).getResult(); }

Value CodeBuilder::mask(Value count, int lanes) {
  if (auto constant = constantOf(count))
    return mask(*constant, lanes);
  SmallVector<int32_t> iota(lanes);
  for (int lane = 0; lane < lanes; ++lane)
    iota[lane] = lane;
  auto type = vec(lanes, b.getI32Type());
  Value lane = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(iota)));
  Value limit = broadcast(toI32(min(max(count, i(0)), i(lanes))), lanes);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, lane, limit);
}

Value CodeBuilder::laneNumbers(int lanes) {
  SmallVector<int32_t> numbers;
  for (int lane = 0; lane < lanes; ++lane)
    numbers.push_back(lane);
  auto type = vec(lanes, b.getI32Type());
  return arith::ConstantOp::create(b, loc, type, DenseIntElementsAttr::get(type, ArrayRef(numbers)));
}

Value CodeBuilder::mask(int64_t count, int lanes) {
  SmallVector<bool> bits(lanes);
  for (int lane = 0; lane < lanes; ++lane)
    bits[lane] = lane < count;
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vec(lanes, b.getI1Type()), ArrayRef<bool>(bits)));
}

// ---------------------------------------------------------------- addresses

Value CodeBuilder::address(Value base, Value offset, Type element) {
  if (auto constant = constantOf(offset); constant && *constant == 0)
    return base;
  return LLVM::GEPOp::create(b, loc, base.getType(), element, base, ValueRange{offset});
}

Value CodeBuilder::addressBytes(Value base, int64_t bytes) { return address(base, i(bytes), b.getI8Type()); }

AffineExpr CodeBuilder::offsetExpr(const Operand &operand, AffineMap map) {
  AffineExpr expr = getAffineConstantExpr(operand.offset, b.getContext());
  for (auto [result, stride] : llvm::zip_equal(map.getResults(), operand.strides))
    expr = expr + result * stride;
  return simplifyAffineExpr(expr, map.getNumDims(), 0);
}

LaneAccess CodeBuilder::laneAccess(const Operand &operand, AffineMap map, unsigned laneDim) {
  AffineExpr expr = offsetExpr(operand, map);
  if (!expr.isFunctionOfDim(laneDim))
    return {LaneAccess::Uniform, 0, expr};
  // Linear in the lane dimension when the difference of neighbours is a constant.
  AffineExpr dim = getAffineDimExpr(laneDim, b.getContext());
  AffineExpr step = simplifyAffineExpr(expr.replace(dim, dim + 1) - expr, map.getNumDims(), 0);
  if (auto constant = dyn_cast<AffineConstantExpr>(step))
    return {constant.getValue() == 1 ? LaneAccess::Contiguous : LaneAccess::Strided, constant.getValue(), expr};
  return {LaneAccess::Irregular, 0, expr};
}

} // namespace hb::emit
