// Rules of the vector-Jacobian products that are maps and reductions. Statistics are computed again: they cost a pass over what is read
// anyway, and saving them would keep a tensor alive for every norm.
#include "lowering/kernels/Former.h"
#include "lowering/kernels/Scalars.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace hb {

namespace {

Value add(OpBuilder &b, Location where, Value x, Value y) { return arith::AddFOp::create(b, where, x, y); }
Value sub(OpBuilder &b, Location where, Value x, Value y) { return arith::SubFOp::create(b, where, x, y); }
Value mul(OpBuilder &b, Location where, Value x, Value y) { return arith::MulFOp::create(b, where, x, y); }
Value div(OpBuilder &b, Location where, Value x, Value y) { return arith::DivFOp::create(b, where, x, y); }

/// x ≥ low ? yes : no, with the predicate given.
Value choose(OpBuilder &b, Location where, arith::CmpFPredicate predicate, Value x, Value y, Value yes, Value no) {
  return arith::SelectOp::create(b, where, arith::CmpFOp::create(b, where, predicate, x, y), yes, no);
}

/// Sums over some axes of a space: `kept` maps the space to the sums' shape, `index` lists the dimensions of the reduction's iteration
/// space (sums first, then reduced ones) in the order of the space.
struct Reduction {
  RankedTensorType type;
  SmallVector<int64_t> reduced;
  AffineMap index; ///< iteration space → the space
  AffineMap kept;  ///< the space → the sums

  Reduction(Builder &b, RankedTensorType space, ArrayRef<int64_t> axes) {
    int64_t rank = space.getRank(), keptCount = rank - static_cast<int64_t>(axes.size());
    SmallVector<int64_t> shape;
    SmallVector<AffineExpr> indexExprs, keptExprs;
    for (int64_t i = 0; i < rank; ++i) {
      if (llvm::is_contained(axes, i)) {
        indexExprs.push_back(b.getAffineDimExpr(keptCount + reduced.size()));
        reduced.push_back(space.getDimSize(i));
        continue;
      }
      indexExprs.push_back(b.getAffineDimExpr(shape.size()));
      keptExprs.push_back(b.getAffineDimExpr(i));
      shape.push_back(space.getDimSize(i));
    }
    type = RankedTensorType::get(shape, b.getF32Type());
    index = AffineMap::get(rank, 0, indexExprs, b.getContext());
    kept = AffineMap::get(rank, 0, keptExprs, b.getContext());
  }

  /// An operand that has the space's shape, or depends on some of its dimensions through `map`, as the reduction reads it.
  MapInput whole(Value value, AffineMap map) const { return {value, map.compose(index)}; }
  /// A statistic as the reduction reads it.
  MapInput statistic(Value value) const { return {value, kept.compose(index)}; }
  double count() const {
    double product = 1;
    for (int64_t extent : reduced)
      product *= static_cast<double>(extent);
    return product;
  }
};

/// r·(g − mean(g) − x̂·mean(g∘x̂)), g = dy∘w, x̂ = (x − mean)·r, r = 1/√(variance + eps), over the axes of `r`: the gradient of a norm.
/// `weightMap` takes the space's indices to the weight's.
Value normVjp(Former &f, Location where, Value x, Value weight, AffineMap weightMap, Value dy, ArrayRef<int64_t> axes, double eps) {
  OpBuilder &b = f.b;
  auto type = cast<RankedTensorType>(x.getType());
  Reduction r(b, type, axes);
  AffineMap same = b.getMultiDimIdentityMap(type.getRank());
  auto reduce = [&](ArrayRef<MapInput> inputs, ScalarBody body) { return buildReduce(b, where, r.type, kernel::Combine::mean, inputs, r.reduced, body); };
  Value mean = reduce(r.whole(x, same), [](OpBuilder &, ValueRange a) { return a[0]; });
  Value variance = reduce({r.whole(x, same), r.statistic(mean)}, [&](OpBuilder &in, ValueRange a) {
    Value d = sub(in, where, a[0], a[1]);
    return mul(in, where, d, d);
  });
  Value meanG = reduce({r.whole(dy, same), r.whole(weight, weightMap)}, [&](OpBuilder &in, ValueRange a) { return mul(in, where, a[0], a[1]); });
  // mean(g∘(x − mean)): the factor r of x̂ follows outside.
  Value meanGX = reduce({r.whole(dy, same), r.whole(weight, weightMap), r.whole(x, same), r.statistic(mean)},
                        [&](OpBuilder &in, ValueRange a) { return mul(in, where, mul(in, where, a[0], a[1]), sub(in, where, a[2], a[3])); });
  auto statistic = [&](Value value) { return MapInput{value, r.kept}; };
  return buildMap(b, where, type, {{x, same}, {weight, weightMap}, {dy, same}, statistic(mean), statistic(variance), statistic(meanG), statistic(meanGX)},
                  [&](OpBuilder &in, ValueRange a) {
                    Value square = add(in, where, a[4], emitFloat(in, where, in.getF32Type(), eps));
                    Value factor = div(in, where, emitFloat(in, where, in.getF32Type(), 1), math::SqrtOp::create(in, where, square));
                    Value hat = div(in, where, mul(in, where, sub(in, where, a[0], a[3]), a[6]), square); // x̂·mean(g∘x̂)
                    Value g = mul(in, where, a[2], a[1]);
                    return mul(in, where, factor, sub(in, where, sub(in, where, g, a[5]), hat));
                  });
}

} // namespace

Value Former::form(nn::UnaryVjpOp op) {
  auto type = typeOf(*op);
  return buildMap(b, op.getLoc(), type, {broadcast(op.getX(), type), broadcast(op.getDy(), type)}, [&](OpBuilder &in, ValueRange a) {
    return mul(in, op.getLoc(), a[1], emitDerivative(in, op.getLoc(), op.getKind(), a[0]));
  });
}

Value Former::form(nn::ClampVjpOp op) {
  auto type = typeOf(*op);
  Location where = op.getLoc();
  return buildMap(b, where, type, {broadcast(op.getX(), type), broadcast(op.getDy(), type)}, [&](OpBuilder &in, ValueRange a) {
    Value zero = emitFloat(in, where, type.getElementType(), 0);
    Value low = emitFloat(in, where, type.getElementType(), op.getLow().convertToDouble()), high = emitFloat(in, where, type.getElementType(), op.getHigh().convertToDouble());
    Value above = choose(in, where, arith::CmpFPredicate::OGE, a[0], low, a[1], zero);
    return choose(in, where, arith::CmpFPredicate::OLE, a[0], high, above, zero);
  });
}

Value Former::form(nn::ExtremeVjpOp op) {
  auto type = typeOf(*op);
  Location where = op.getLoc();
  auto taken = op.getKind() == nn::BinaryKind::max ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT;
  return buildMap(b, where, type, {broadcast(op.getA(), type), broadcast(op.getB(), type), broadcast(op.getDy(), type)}, [&](OpBuilder &in, ValueRange a) {
    Value half = mul(in, where, a[2], emitFloat(in, where, type.getElementType(), 0.5)), zero = emitFloat(in, where, type.getElementType(), 0);
    return choose(in, where, taken, a[0], a[1], a[2], choose(in, where, arith::CmpFPredicate::OEQ, a[0], a[1], half, zero));
  });
}

Value Former::form(nn::LayerNormVjpOp op) {
  auto type = typeOf(*op);
  int64_t last = type.getRank() - 1;
  AffineMap weightMap = AffineMap::get(type.getRank(), 0, {b.getAffineDimExpr(last)}, b.getContext());
  return normVjp(*this, op.getLoc(), operand(op.getX()), operand(op.getWeight()), weightMap, operand(op.getDy()), last, op.getEps().convertToDouble());
}

Value Former::form(nn::GroupNormVjpOp op) {
  if (op.getLayout() != nn::Layout::nhwc)
    return noKernel(op, "a picture with channels last (simplify makes it so)", "layout nchw");
  auto type = typeOf(*op);
  Location where = op.getLoc();
  int64_t groups = op.getGroups(), inner = type.getDimSize(3) / groups;
  auto grouped = RankedTensorType::get({type.getDimSize(0), type.getDimSize(1) * type.getDimSize(2), groups, inner}, type.getElementType());
  auto view = [&](Value value, RankedTensorType to) { return kernel::ViewOp::create(b, where, to, value).getResult(); };
  AffineExpr channel = b.getAffineDimExpr(2) * inner + b.getAffineDimExpr(3);
  Value dx = normVjp(*this, where, view(operand(op.getX()), grouped), operand(op.getWeight()), AffineMap::get(4, 0, {channel}, b.getContext()),
                     view(operand(op.getDy()), grouped), {1, 3}, op.getEps().convertToDouble());
  return view(dx, type);
}

Value Former::form(nn::SoftmaxVjpOp op) {
  auto type = typeOf(*op);
  Location where = op.getLoc();
  Value y = operand(op.getY()), dy = operand(op.getDy());
  Reduction r(b, type, type.getRank() - 1);
  AffineMap same = b.getMultiDimIdentityMap(type.getRank());
  Value sum = buildReduce(b, where, r.type, kernel::Combine::sum, {r.whole(y, same), r.whole(dy, same)}, r.reduced,
                          [&](OpBuilder &in, ValueRange a) { return mul(in, where, a[0], a[1]); });
  return buildMap(b, where, type, {{y, same}, {dy, same}, {sum, r.kept}},
                  [&](OpBuilder &in, ValueRange a) { return mul(in, where, a[0], sub(in, where, a[1], a[2])); });
}

Value Former::form(nn::L2NormalizeVjpOp op) {
  auto type = typeOf(*op);
  Location where = op.getLoc();
  Value x = operand(op.getX()), dy = operand(op.getDy());
  Reduction r(b, type, type.getRank() - 1);
  AffineMap same = b.getMultiDimIdentityMap(type.getRank());
  Value square = buildReduce(b, where, r.type, kernel::Combine::sum, r.whole(x, same), r.reduced,
                             [&](OpBuilder &in, ValueRange a) { return mul(in, where, a[0], a[0]); });
  Value product = buildReduce(b, where, r.type, kernel::Combine::sum, {r.whole(x, same), r.whole(dy, same)}, r.reduced,
                              [&](OpBuilder &in, ValueRange a) { return mul(in, where, a[0], a[1]); });
  return buildMap(b, where, type, {{x, same}, {dy, same}, {square, r.kept}, {product, r.kept}}, [&](OpBuilder &in, ValueRange a) {
    Value eps = emitFloat(in, where, in.getF32Type(), op.getEps().convertToDouble());
    Value length = math::SqrtOp::create(in, where, a[2]);
    Value inside = div(in, where, sub(in, where, a[1], mul(in, where, a[0], div(in, where, a[3], a[2]))), length);
    return choose(in, where, arith::CmpFPredicate::OGT, length, eps, inside, div(in, where, a[1], eps));
  });
}

Value Former::form(nn::ReduceMaxVjpOp op) {
  auto type = typeOf(*op);
  Location where = op.getLoc();
  Value x = operand(op.getX()), dy = operand(op.getDy());
  int64_t axis = op.getAxis(), rank = type.getRank();
  Reduction r(b, type, axis);
  AffineMap same = b.getMultiDimIdentityMap(rank);
  auto ids = RankedTensorType::get(r.type.getShape(), b.getI64Type());
  Value best = buildReduce(b, where, ids, kernel::Combine::argmax, r.whole(x, same), r.reduced, [](OpBuilder &, ValueRange a) { return a[0]; });
  SmallVector<int64_t> numbers;
  for (int64_t i = 0; i < type.getDimSize(axis); ++i)
    numbers.push_back(i);
  Value positions = weights.constant(DenseElementsAttr::get(RankedTensorType::get({type.getDimSize(axis)}, b.getI64Type()), ArrayRef(numbers)));
  return buildMap(b, where, type, {{best, r.kept}, {positions, AffineMap::get(rank, 0, {b.getAffineDimExpr(axis)}, b.getContext())}, {dy, r.kept}},
                  [&](OpBuilder &in, ValueRange a) -> Value {
                    Value here = arith::CmpIOp::create(in, where, arith::CmpIPredicate::eq, a[0], a[1]);
                    return arith::SelectOp::create(in, where, here, a[2], emitFloat(in, where, type.getElementType(), 0));
                  });
}

Value Former::form(nn::SliceVjpOp op) {
  auto type = typeOf(*op);
  SmallVector<AffineExpr> indices;
  for (auto [i, offset] : llvm::enumerate(op.getOffsets()))
    indices.push_back(b.getAffineDimExpr(i) - offset);
  return buildMove(b, op.getLoc(), type, {operand(op.getDy()), AffineMap::get(type.getRank(), 0, indices, b.getContext()), true});
}

} // namespace hb
