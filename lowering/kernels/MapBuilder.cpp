#include "lowering/kernels/MapBuilder.h"

#include "lowering/kernels/Scalars.h"
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

namespace {
/// Inputs with equal ones merged and splats taken out.
struct Operands {
  SmallVector<Value> values;
  SmallVector<AffineMap> maps;
  SmallVector<bool> zero;
  SmallVector<int> slot; ///< operand number of each input, −1 for a splat

  Operands(ArrayRef<MapInput> inputs, ArrayRef<int64_t> space) {
    for (MapInput input : inputs) {
      if (!input.zeroOutside && splatOf(input.value)) {
        slot.push_back(-1);
        continue;
      }
      if (!input.zeroOutside)
        input.map = canonicalMap(input.map, shapeOf(input.value), space);
      int found = -1;
      for (auto [i, value] : llvm::enumerate(values))
        if (value == input.value && maps[i] == input.map && zero[i] == input.zeroOutside)
          found = i;
      if (found < 0) {
        found = values.size();
        values.push_back(input.value);
        maps.push_back(input.map);
        zero.push_back(input.zeroOutside);
      }
      slot.push_back(found);
    }
  }

  /// Fills the region of an op over these operands; `body` gets one scalar per input.
  void fill(Region &region, Location where, ArrayRef<MapInput> inputs, ScalarBody body) const {
    Block &block = region.emplaceBlock();
    for (Value value : values)
      block.addArgument(tensorOf(value).getElementType(), where);
    OpBuilder inner = OpBuilder::atBlockBegin(&block);
    SmallVector<Value> scalars;
    for (auto [input, place] : llvm::zip(inputs, slot))
      scalars.push_back(place < 0 ? emitSplat(inner, where, input.value) : Value(block.getArgument(place)));
    kernel::YieldOp::create(inner, where, body(inner, scalars));
  }
};
} // namespace

Value buildMap(OpBuilder &b, Location where, RankedTensorType result, ArrayRef<MapInput> inputs, ScalarBody body) {
  Operands operands(inputs, result.getShape());
  auto zeroOutside = llvm::is_contained(operands.zero, true) ? b.getDenseBoolArrayAttr(operands.zero) : DenseBoolArrayAttr();
  auto op = kernel::MapOp::create(b, where, result, operands.values, b.getAffineMapArrayAttr(operands.maps), zeroOutside);
  operands.fill(op.getBody(), where, inputs, body);
  return op.getResult();
}

Value buildReduce(OpBuilder &b, Location where, RankedTensorType result, kernel::Combine combine, ArrayRef<MapInput> inputs,
                  ArrayRef<int64_t> reduced, ScalarBody body) {
  SmallVector<int64_t> extents(result.getShape());
  extents.append(reduced.begin(), reduced.end());
  Operands operands(inputs, extents);
  auto op = kernel::ReduceOp::create(b, where, result, combine, operands.values, b.getAffineMapArrayAttr(operands.maps), extents);
  operands.fill(op.getBody(), where, inputs,
                [&](OpBuilder &inner, ValueRange args) { return emitConvert(inner, where, body(inner, args), inner.getF32Type()); });
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

AffineMap canonicalMap(AffineMap map, ArrayRef<int64_t> operand, ArrayRef<int64_t> space) {
  MLIRContext *context = map.getContext();
  SmallVector<AffineExpr> dims;
  for (auto [i, extent] : llvm::enumerate(space))
    dims.push_back(extent == 1 ? getAffineConstantExpr(0, context) : getAffineDimExpr(i, context));
  SmallVector<AffineExpr> results;
  for (auto [axis, expr] : llvm::enumerate(map.getResults())) {
    AffineExpr index = simplifyAffineExpr(expr.replaceDims(dims), map.getNumDims(), 0);
    bool onlyZero = operand[axis] == 1 || index == getAffineConstantExpr(0, context);
    if (onlyZero)
      index = operand.size() == space.size() && space[axis] == 1 ? getAffineDimExpr(axis, context) : getAffineConstantExpr(0, context);
    results.push_back(index);
  }
  return AffineMap::get(map.getNumDims(), 0, results, context);
}

std::optional<AffineMap> reshapeMap(MLIRContext *context, ArrayRef<int64_t> source, ArrayRef<int64_t> result) {
  if (auto map = expansionMap(context, source, result))
    return map;
  auto inverse = expansionMap(context, result, source); // result axis j = a product of source axes
  if (!inverse)
    return std::nullopt;
  SmallVector<AffineExpr> indices(source.size(), getAffineConstantExpr(0, context));
  for (auto [j, expr] : llvm::enumerate(inverse->getResults())) {
    SmallVector<unsigned> group;
    for (unsigned i = 0; i < source.size(); ++i)
      if (source[i] != 1 && expr.isFunctionOfDim(i))
        group.push_back(i);
    AffineExpr rest = getAffineDimExpr(j, context);
    for (unsigned i : llvm::reverse(group)) {
      indices[i] = i == group.front() ? rest : rest % source[i];
      rest = rest.floorDiv(source[i]);
    }
  }
  return AffineMap::get(result.size(), 0, indices, context);
}

bool isBroadcastOnly(AffineMap map) {
  int64_t last = -1;
  for (AffineExpr expr : map.getResults()) {
    if (isa<AffineConstantExpr>(expr))
      continue;
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim || static_cast<int64_t>(dim.getPosition()) <= last)
      return false;
    last = dim.getPosition();
  }
  return true;
}

SmallVector<MapInput> inputsOf(kernel::MapOp op) {
  SmallVector<MapInput> inputs;
  auto zero = op.getZeroOutside();
  for (auto [i, value] : llvm::enumerate(op.getInputs()))
    inputs.push_back({value, cast<AffineMapAttr>(op.getMaps()[i]).getValue(), zero && (*zero)[i]});
  return inputs;
}

Value inlineScalars(OpBuilder &b, Region &region, ValueRange arguments) {
  IRMapping mapping;
  mapping.map(region.getArguments(), arguments);
  for (Operation &op : region.front().without_terminator())
    b.clone(op, mapping);
  return mapping.lookupOrDefault(region.front().getTerminator()->getOperand(0));
}

} // namespace hb
