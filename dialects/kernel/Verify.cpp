// Verifiers of the structural ops: weight, constant, view, def, launch.
#include "dialects/kernel/Verify.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace hb::kernel {

LogicalResult violated(Operation *op, const Twine &expected, const Twine &found) { return op->emitOpError() << "expected " << expected << "; found " << found; }

std::string shapeText(ArrayRef<int64_t> shape) {
  if (shape.empty())
    return "scalar";
  std::string text;
  for (int64_t extent : shape)
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

LogicalResult expectShape(Operation *op, StringRef what, Value value, ArrayRef<int64_t> wanted) {
  return shape(value) == wanted ? success() : violated(op, what + " of shape " + shapeText(wanted), shapeText(shape(value)));
}

LogicalResult expectRank(Operation *op, StringRef what, Value value, size_t rank) {
  return shape(value).size() == rank ? success() : violated(op, what + " with " + Twine(rank) + " axes", shapeText(shape(value)));
}

LogicalResult expectMaps(Operation *op, ArrayAttr maps, ValueRange values, size_t dims) {
  if (maps.size() != values.size())
    return violated(op, "one map per operand", Twine(maps.size()) + " maps for " + Twine(values.size()) + " operands");
  for (auto [i, value] : llvm::enumerate(values)) {
    AffineMap map = cast<AffineMapAttr>(maps[i]).getValue();
    if (map.getNumDims() != dims || map.getNumSymbols() || map.getNumResults() != shape(value).size())
      return violated(op, "map " + Twine(i) + " from " + Twine(dims) + " dimensions to the " + Twine(shape(value).size()) + " axes of its operand",
                      Twine(map.getNumDims()) + " dimensions and " + Twine(map.getNumResults()) + " results");
  }
  return success();
}

LogicalResult expectScalars(Operation *op, Region &region, unsigned accumulators, ValueRange values, Type result) {
  Block &block = region.front();
  SmallVector<Type> wanted(accumulators, Float32Type::get(op->getContext()));
  for (Value value : values)
    wanted.push_back(element(value));
  if (!llvm::equal(block.getArgumentTypes(), wanted))
    return violated(op, "one scalar region argument per accumulator and operand, of its element type", "other arguments");
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getValues().size() != 1 || yield.getValues()[0].getType() != result)
    return op->emitOpError() << "expected a region that yields one " << result;
  return success();
}

WeightLayout layoutOf(Value weight) {
  auto packed = dyn_cast_if_present<PackedAttr>(tensorType(weight).getEncoding());
  return packed ? packed.getLayout() : WeightLayout::dense;
}

LogicalResult WeightOp::verify() {
  if (getSources().empty() || !llvm::all_of(getSources(), llvm::IsaPred<SourceAttr>))
    return violated(*this, "at least one #kernel.source", "none, or another attribute");
  int64_t elements = 0;
  for (auto source : getSources().getAsRange<SourceAttr>())
    elements += source.getType().getNumElements();
  if (layoutOf(getResult()) == WeightLayout::diagonal_panel16) {
    int64_t rows = 0, columns = 0;
    for (auto source : getSources().getAsRange<SourceAttr>())
      if (source.getType().getRank() == 2) {
        rows += source.getType().getDimSize(0);
        columns += source.getType().getDimSize(1);
      }
    ArrayRef<int64_t> all = shape(getResult());
    return all.size() == 2 && rows <= all[0] && columns == all[1] ? success() : violated(*this, "matrices that fit along the diagonal of " + shapeText(all), Twine(rows) + " rows and " + Twine(columns) + " columns");
  }
  int64_t wanted = tensorType(getResult()).getNumElements(); // of the logical shape, whatever the layout makes of it
  if (elements != wanted)
    return violated(*this, "sources of " + Twine(wanted) + " elements", Twine(elements));
  WeightLayout layout = layoutOf(getResult());
  if (getTransposed() && (layout == WeightLayout::dense || layout == WeightLayout::gated_panel16))
    return violated(*this, "panels or Winograd planes with transposed", stringifyEnum(layout));
  return success();
}

LogicalResult ViewOp::verify() {
  if (element(getX()) != element(getResult()))
    return violated(*this, "the element type to stay", "another");
  auto source = dyn_cast_if_present<StridedAttr>(tensorType(getX()).getEncoding());
  auto strided = dyn_cast_if_present<StridedAttr>(tensorType(getResult()).getEncoding());
  if (!strided)
    return source || tensorType(getX()).getNumElements() == tensorType(getResult()).getNumElements()
               ? success()
               : violated(*this, "as many elements as the operand has", shapeText(shape(getResult())));
  if (strided.getStrides().size() != shape(getResult()).size())
    return violated(*this, "one stride per axis", Twine(strided.getStrides().size()));
  int64_t last = strided.getOffset(), first = strided.getOffset();
  for (auto [extent, stride] : llvm::zip(shape(getResult()), strided.getStrides()))
    (stride < 0 ? first : last) += (extent - 1) * stride;
  if (!source && tensorType(getResult()).getNumElements() && (first < 0 || last >= tensorType(getX()).getNumElements()))
    return violated(*this, "elements inside the operand", "element " + Twine(first < 0 ? first : last) + " of " + Twine(tensorType(getX()).getNumElements()));
  return success();
}

LogicalResult DefOp::verify() {
  Block &block = getBody().front();
  FunctionType type = getFunctionType();
  if (!llvm::equal(block.getArgumentTypes(), type.getInputs()))
    return violated(*this, "arguments of the function type's inputs", "others");
  if (block.getOperations().size() != 2 || !isa<ReturnOp>(block.back()))
    return violated(*this, "one family op and kernel.return", Twine(block.getOperations().size()) + " ops");
  Operation &family = block.front();
  if (!isa<KernelDialect>(family.getDialect()) || !llvm::equal(family.getResults(), block.back().getOperands()) ||
      !llvm::equal(block.back().getOperandTypes(), type.getResults()))
    return violated(*this, "the results of the family op to be returned", "others");
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto def = symbols.lookupNearestSymbolFrom<DefOp>(*this, getKernelAttr());
  if (!def)
    return violated(*this, "a kernel.def of this name", "none");
  FunctionType type = def.getFunctionType();
  if (!llvm::equal(getOperandTypes(), type.getInputs()) || !llvm::equal(getResultTypes(), type.getResults()))
    return violated(*this, "the operand and result types of its kernel.def", "others");
  return success();
}

} // namespace hb::kernel
