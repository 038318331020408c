#include "lowering/kernels/MapBuilder.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace hb {

static DenseElementsAttr splatOf(Value value) {
  auto constant = value.getDefiningOp<kernel::ConstantOp>();
  auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  return elements && elements.isSplat() ? elements : DenseElementsAttr();
}

Value emitSplat(OpBuilder &b, Location where, Value value) {
  DenseElementsAttr splat = splatOf(value);
  return splat ? arith::ConstantOp::create(b, where, cast<TypedAttr>(splat.getSplatValue<Attribute>())).getResult() : Value();
}

Value buildMap(OpBuilder &b, Location where, RankedTensorType result, ArrayRef<MapInput> inputs, ScalarBody body) {
  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  SmallVector<bool> zero;
  SmallVector<int> slot; // operand number of each input, −1 for a splat
  for (const MapInput &input : inputs) {
    if (!input.zeroOutside && splatOf(input.value)) {
      slot.push_back(-1);
      continue;
    }
    int found = -1;
    for (auto [i, value] : llvm::enumerate(operands))
      if (value == input.value && maps[i] == input.map && zero[i] == input.zeroOutside)
        found = i;
    if (found < 0) {
      found = operands.size();
      operands.push_back(input.value);
      maps.push_back(input.map);
      zero.push_back(input.zeroOutside);
    }
    slot.push_back(found);
  }
  DenseBoolArrayAttr zeroOutside = llvm::is_contained(zero, true) ? b.getDenseBoolArrayAttr(zero) : DenseBoolArrayAttr();
  auto op = kernel::MapOp::create(b, where, result, operands, b.getAffineMapArrayAttr(maps), zeroOutside);
  Block &block = op.getBody().emplaceBlock();
  for (Value operand : operands)
    block.addArgument(tensorOf(operand).getElementType(), where);
  OpBuilder inner = OpBuilder::atBlockBegin(&block);
  SmallVector<Value> scalars;
  for (auto [input, place] : llvm::zip(inputs, slot))
    scalars.push_back(place < 0 ? emitSplat(inner, where, input.value) : Value(block.getArgument(place)));
  Value yielded = body(inner, scalars);
  kernel::YieldOp::create(inner, where, yielded);
  return op.getResult();
}

Value buildMove(OpBuilder &b, Location where, RankedTensorType result, MapInput input) {
  return buildMap(b, where, result, input, [](OpBuilder &, ValueRange args) { return args[0]; });
}

AffineMap broadcastMap(MLIRContext *context, ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  SmallVector<AffineExpr> results;
  size_t shift = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i)
    results.push_back(from[i] == to[shift + i] ? getAffineDimExpr(shift + i, context) : getAffineConstantExpr(0, context));
  return AffineMap::get(to.size(), 0, results, context);
}

AffineMap transposeMap(MLIRContext *context, ArrayRef<int64_t> permutation) {
  SmallVector<AffineExpr> results(permutation.size());
  for (size_t i = 0; i < permutation.size(); ++i)
    results[permutation[i]] = getAffineDimExpr(i, context);
  return AffineMap::get(permutation.size(), 0, results, context);
}

bool isIdentity(AffineMap map, ArrayRef<int64_t> operand, ArrayRef<int64_t> result) { return operand == result && map.isIdentity(); }

std::optional<AffineMap> expansionMap(MLIRContext *context, ArrayRef<int64_t> source, ArrayRef<int64_t> result) {
  SmallVector<AffineExpr> results;
  size_t next = 0;
  for (int64_t extent : source) {
    // Take result axes until their product is this axis; unit axes in between contribute nothing.
    AffineExpr index = getAffineConstantExpr(0, context);
    int64_t product = 1;
    while (product < extent) {
      if (next == result.size())
        return std::nullopt;
      int64_t axis = result[next];
      if (axis != 1)
        index = index * axis + getAffineDimExpr(next, context);
      product *= axis;
      ++next;
      if (axis == 0)
        return std::nullopt;
    }
    if (product != extent)
      return std::nullopt;
    results.push_back(index);
  }
  for (; next < result.size(); ++next)
    if (result[next] != 1)
      return std::nullopt;
  return AffineMap::get(result.size(), 0, results, context);
}

Value inlineScalars(OpBuilder &b, Region &region, ValueRange arguments) {
  IRMapping mapping;
  mapping.map(region.getArguments(), arguments);
  for (Operation &op : region.front().without_terminator())
    b.clone(op, mapping);
  return mapping.lookupOrDefault(region.front().getTerminator()->getOperand(0));
}

} // namespace hb
