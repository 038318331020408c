// Rules of the ops that become kernel.map, views, concat, gather and reductions.
#include "lowering/kernels/Former.h"
#include "lowering/kernels/Scalars.h"

using namespace mlir;

namespace hb {

Value Former::form(nn::UnaryOp op) {
  auto type = typeOf(*op);
  return buildMap(b, op.getLoc(), type, broadcast(op.getX(), type), [&](OpBuilder &inner, ValueRange args) {
    return emitUnary(inner, op.getLoc(), op.getKind(), args[0]);
  });
}

Value Former::form(nn::BinaryOp op) {
  auto type = typeOf(*op);
  return buildMap(b, op.getLoc(), type, {broadcast(op.getLhs(), type), broadcast(op.getRhs(), type)}, [&](OpBuilder &inner, ValueRange args) {
    Value lhs = emitConvert(inner, op.getLoc(), args[0], type.getElementType()), rhs = emitConvert(inner, op.getLoc(), args[1], type.getElementType());
    return emitBinary(inner, op.getLoc(), op.getKind(), lhs, rhs);
  });
}

Value Former::form(nn::ClampOp op) {
  auto type = typeOf(*op);
  return buildMap(b, op.getLoc(), type, broadcast(op.getX(), type), [&](OpBuilder &inner, ValueRange args) -> Value {
    Value low = emitFloat(inner, op.getLoc(), type.getElementType(), op.getLow().convertToDouble());
    Value high = emitFloat(inner, op.getLoc(), type.getElementType(), op.getHigh().convertToDouble());
    return arith::MinimumFOp::create(inner, op.getLoc(), arith::MaximumFOp::create(inner, op.getLoc(), args[0], low), high);
  });
}

Value Former::form(nn::CastOp op) {
  auto type = typeOf(*op);
  return buildMap(b, op.getLoc(), type, broadcast(op.getX(), type),
                  [&](OpBuilder &inner, ValueRange args) { return emitConvert(inner, op.getLoc(), args[0], type.getElementType()); });
}

/// Operands that kernels read through strides, so that a slice of the last axis needs no copy.
static bool readsStrided(OpOperand &use) {
  return isa<nn::AttentionOp, nn::AttentionVjpOp>(use.getOwner()) && use.getOperandNumber() < 3;
}

Value Former::form(nn::SliceOp op) {
  Value x = operand(op.getX());
  auto type = movedType(*op, x);
  ArrayRef<int64_t> whole = shapeOf(x), offsets = op.getOffsets();
  bool lastAxisOnly = isContiguous(x) && whole.drop_back() == type.getShape().drop_back() && type.getRank() > 0;
  if (lastAxisOnly && llvm::all_of(op->getUses(), readsStrided)) {
    SmallVector<int64_t> strides(type.getRank(), 1);
    for (int64_t i = type.getRank() - 2; i >= 0; --i)
      strides[i] = strides[i + 1] * whole[i + 1];
    auto strided = RankedTensorType::get(type.getShape(), type.getElementType(), kernel::StridedAttr::get(b.getContext(), offsets.back(), strides));
    return kernel::ViewOp::create(b, op.getLoc(), strided, x);
  }
  SmallVector<AffineExpr> indices;
  for (auto [i, offset] : llvm::enumerate(offsets))
    indices.push_back(b.getAffineDimExpr(i) + offset);
  return buildMove(b, op.getLoc(), type, {x, AffineMap::get(type.getRank(), 0, indices, b.getContext())});
}

Value Former::form(nn::ReshapeOp op) {
  Value x = operand(op.getX());
  return kernel::ViewOp::create(b, op.getLoc(), movedType(*op, x), x);
}

Value Former::form(nn::TransposeOp op) {
  Value x = operand(op.getX());
  auto type = movedType(*op, x);
  // Only unit axes move: the elements stay where they are.
  SmallVector<int64_t> moved;
  for (int64_t axis : op.getPermutation())
    if (shapeOf(x)[axis] != 1)
      moved.push_back(axis);
  if (llvm::is_sorted(moved))
    return kernel::ViewOp::create(b, op.getLoc(), type, x);
  return buildMove(b, op.getLoc(), type, {x, transposeMap(b.getContext(), op.getPermutation())});
}

Value Former::form(nn::BroadcastOp op) {
  MapInput input = broadcast(op.getX(), typeOf(*op));
  return buildMove(b, op.getLoc(), movedType(*op, input.value), input);
}

Value Former::form(nn::ResizeNearestOp op) {
  auto type = typeOf(*op);
  Value x = operand(op.getX());
  int64_t height = op.getLayout() == nn::Layout::nhwc ? 1 : 2;
  SmallVector<AffineExpr> indices;
  for (int64_t i = 0; i < 4; ++i) {
    AffineExpr index = b.getAffineDimExpr(i);
    int64_t in = shapeOf(x)[i], out = type.getDimSize(i);
    if ((i == height || i == height + 1) && in != out)
      index = out % in == 0 ? index.floorDiv(out / in) : (index * in).floorDiv(out);
    indices.push_back(index);
  }
  return buildMove(b, op.getLoc(), type, {x, AffineMap::get(4, 0, indices, b.getContext())});
}

Value Former::form(nn::ConcatOp op) {
  SmallVector<Value> inputs;
  for (Value input : op.getInputs())
    if (Value x = operand(input); tensorOf(x).getNumElements())
      inputs.push_back(x);
  auto type = movedType(*op, inputs[0]);
  if (inputs.size() == 1 && inputs[0].getType() == type)
    return inputs[0];
  return kernel::ConcatOp::create(b, op.getLoc(), type, inputs, op.getAxis());
}

void noteRange(func::FuncOp func, Value index, int64_t rows) {
  while (auto view = index.getDefiningOp<kernel::ViewOp>())
    index = view.getX();
  auto argument = dyn_cast<BlockArgument>(index);
  if (!argument || argument.getOwner() != &func.getBody().front())
    return;
  Builder builder(func.getContext());
  if (auto known = func.getArgAttrOfType<DenseI64ArrayAttr>(argument.getArgNumber(), "kernel.range"))
    rows = std::min(rows, known[1]);
  func.setArgAttr(argument.getArgNumber(), "kernel.range", builder.getDenseI64ArrayAttr({0, rows}));
}

Value Former::form(nn::GatherOp op) {
  Value table = WeightTable::isParameter(op.getTable()) ? weights.table(op.getTable()) : operand(op.getTable());
  Value index = operand(op.getIndex());
  noteRange(func, index, shapeOf(table)[op.getBatchDims()]);
  return kernel::GatherOp::create(b, op.getLoc(), typeOf(*op), table, index, op.getBatchDims());
}

Value Former::form(nn::ReduceOp op) {
  static constexpr kernel::Combine combine[] = {kernel::Combine::sum, kernel::Combine::mean, kernel::Combine::max};
  auto type = typeOf(*op);
  Value x = operand(op.getX());
  SmallVector<AffineExpr> indices;
  SmallVector<int64_t> reduced;
  int64_t kept = 0;
  for (auto [axis, extent] : llvm::enumerate(shapeOf(x))) {
    bool isReduced = llvm::is_contained(op.getAxes(), static_cast<int64_t>(axis));
    indices.push_back(b.getAffineDimExpr(isReduced ? type.getRank() + reduced.size() : kept++));
    if (isReduced)
      reduced.push_back(extent);
  }
  return buildReduce(b, op.getLoc(), type, combine[static_cast<int>(op.getKind())],
                     MapInput{x, AffineMap::get(type.getRank() + reduced.size(), 0, indices, b.getContext())}, reduced,
                     [](OpBuilder &, ValueRange args) { return args[0]; });
}

Value Former::form(nn::ArgmaxOp op) {
  Value x = operand(op.getX());
  return buildReduce(b, op.getLoc(), typeOf(*op), kernel::Combine::argmax, MapInput{x, b.getMultiDimIdentityMap(shapeOf(x).size())},
                     shapeOf(x).back(), [](OpBuilder &, ValueRange args) { return args[0]; });
}

Value Former::form(nn::AdaptiveAvgPoolOp op) {
  if (op.getLayout() != nn::Layout::nhwc)
    return noKernel(op, "layout nhwc", "nchw");
  return kernel::AdaptivePoolOp::create(b, op.getLoc(), typeOf(*op), operand(op.getX()));
}

} // namespace hb
