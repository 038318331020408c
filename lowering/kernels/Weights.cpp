#include "lowering/kernels/Weights.h"

#include "lowering/kernels/MapBuilder.h"

using namespace mlir;

namespace hb {

WeightTable::WeightTable(func::FuncOp func) : builder_(func.getContext()) { builder_.setInsertionPointToStart(&func.getBody().front()); }

bool WeightTable::isParameter(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto reshape = dyn_cast_or_null<nn::ReshapeOp>(op))
    return isParameter(reshape.getX());
  if (auto cast = dyn_cast_or_null<nn::CastOp>(op)) // widening is what a weight's reader does anyway
    return isParameter(cast.getX()) && tensorOf(value).getElementType().isF32();
  if (auto concat = dyn_cast_or_null<nn::ConcatOp>(op))
    return concat.getAxis() == 0 && llvm::all_of(concat.getInputs(), isParameter);
  return isa_and_nonnull<nn::ParamOp>(op);
}

/// The checkpoint tensors behind a parameter, in order: concatenation along axis 0 appends whole row-major blocks, so
/// reshapes in between do not matter.
static void collectSources(Value value, SmallVectorImpl<Attribute> &sources, SmallVectorImpl<Type> &elements) {
  Operation *op = value.getDefiningOp();
  if (auto param = dyn_cast<nn::ParamOp>(op)) {
    auto type = tensorOf(param.getResult());
    sources.push_back(kernel::SourceAttr::get(op->getContext(), param.getScopeAttr(), param.getKeyAttr(), type));
    elements.push_back(type.getElementType());
    return;
  }
  for (Value operand : op->getOperands())
    collectSources(operand, sources, elements);
}

std::pair<Attribute, Type> WeightTable::keyOf(Value parameter, ArrayRef<int64_t> shape, kernel::WeightLayout layout, Type element) {
  SmallVector<Attribute> sources;
  SmallVector<Type> elements;
  collectSources(parameter, sources, elements);
  if (!element)
    element = llvm::all_equal(elements) && !elements[0].isF64() ? elements[0] : builder_.getF32Type();
  Attribute encoding;
  if (layout != kernel::WeightLayout::dense)
    encoding = kernel::PackedAttr::get(builder_.getContext(), layout);
  return {builder_.getArrayAttr(sources), RankedTensorType::get(shape, element, encoding)};
}

Value WeightTable::find(Value parameter, ArrayRef<int64_t> shape, kernel::WeightLayout layout) { return known_.lookup(keyOf(parameter, shape, layout, {})); }

Value WeightTable::get(Value parameter, ArrayRef<int64_t> shape, kernel::WeightLayout layout, Type element, bool transposed) {
  std::pair<Attribute, Type> key = keyOf(parameter, shape, layout, element);
  Value &weight = (transposed ? transposed_ : known_)[key];
  if (!weight)
    weight = kernel::WeightOp::create(builder_, parameter.getLoc(), key.second, cast<ArrayAttr>(key.first), transposed);
  return weight;
}

Value WeightTable::dense(Value parameter) { return get(parameter, shapeOf(parameter), kernel::WeightLayout::dense, builder_.getF32Type()); }

Value WeightTable::table(Value parameter) { return get(parameter, shapeOf(parameter), kernel::WeightLayout::dense); }

Value WeightTable::constant(ElementsAttr value) {
  Value &constant = known_[{value, value.getType()}];
  if (!constant)
    constant = kernel::ConstantOp::create(builder_, UnknownLoc::get(builder_.getContext()), value.getType(), value);
  return constant;
}

} // namespace hb
