// kernel.map and kernel.concat: one scalar expression per result element, and copies side by side.
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Pointwise.h"
#include "lowering/emit/ScalarRegion.h"

using namespace mlir;

namespace hb::x86 {

FailureOr<Launch> emitMap(KernelBuilder &kb, Operation *op) {
  auto map = cast<kernel::MapOp>(op);
  RankedTensorType resultType = cast<RankedTensorType>(map.getResult().getType());
  SmallVector<AccessSource> sources;
  SmallVector<const Operand *> operands;
  SmallVector<Type> elements;
  auto zeroOutside = map.getZeroOutside();
  for (auto [index, input, attr] : llvm::enumerate(map.getInputs(), map.getMaps().getAsValueRange<AffineMapAttr>())) {
    auto type = cast<RankedTensorType>(input.getType());
    sources.push_back({attr, type, zeroOutside && (*zeroOutside)[index]});
    operands.push_back(&kb.operand(input));
    elements.push_back(type.getElementType());
  }
  sources.push_back({AffineMap::getMultiDimIdentityMap(resultType.getRank(), op->getContext()), resultType, false});
  operands.push_back(&kb.operand(map.getResult()));
  elements.push_back(resultType.getElementType());

  SmallVector<unsigned> barriers;
  PointwisePlan plan = planPointwise(makeSpace(resultType.getShape(), sources, barriers), elements);
  // Cheap expressions are bound by loop overhead, costly ones by their own length.
  int64_t unroll = regionCost(map.getBody()) <= 4 ? 4 : regionCost(map.getBody()) <= 16 ? 2 : 1;
  PointBody body = [&](ArrayRef<Value> values, int) -> FailureOr<Value> {
    FailureOr<SmallVector<Value>> results = inlineRegion(kb, map.getBody(), values);
    if (failed(results))
      return failure();
    return kb.narrow((*results)[0], resultType.getElementType());
  };
  if (failed(emitPointwise(kb, plan, operands, kb.task, body, unroll)))
    return failure();
  return Launch{plan.grid, 0};
}

FailureOr<Launch> emitConcat(KernelBuilder &kb, Operation *op) {
  auto concat = cast<kernel::ConcatOp>(op);
  auto resultType = cast<RankedTensorType>(concat.getResult().getType());
  Strides strides = stridesOf(resultType);
  const int64_t axis = concat.getAxis();
  AffineMap identity = AffineMap::getMultiDimIdentityMap(resultType.getRank(), op->getContext());

  // Each input is a copy into its part of the result; the tasks of the inputs follow each other.
  struct Part {
    PointwisePlan plan;
    const Operand *input;
  };
  std::vector<Part> parts;
  int64_t grid = 0, position = 0;
  for (Value input : concat.getInputs()) {
    auto type = cast<RankedTensorType>(input.getType());
    auto place = RankedTensorType::get(type.getShape(), resultType.getElementType(),
                                       kernel::StridedAttr::get(op->getContext(), strides.offset + position * strides.strides[axis], strides.strides));
    SmallVector<unsigned> barriers;
    PointwisePlan plan = planPointwise(makeSpace(type.getShape(), {{identity, type, false}, {identity, place, false}}, barriers), {type.getElementType(), resultType.getElementType()});
    grid += plan.grid;
    position += type.getDimSize(axis);
    parts.push_back({std::move(plan), &kb.operand(input)});
  }
  const Operand &result = kb.operand(concat.getResult());
  LogicalResult status = success();
  std::function<void(size_t, Value)> emitFrom = [&](size_t index, Value task) {
    auto emitPart = [&] {
      const Operand *operands[] = {parts[index].input, &result};
      PointBody copy = [&](ArrayRef<Value> values, int) -> FailureOr<Value> {
        return getElementTypeOrSelf(values[0].getType()) == result.element() ? values[0] : kb.narrow(kb.widen(values[0]), result.element());
      };
      if (failed(emitPointwise(kb, parts[index].plan, operands, task, copy, 4)))
        status = failure();
    };
    if (index + 1 == parts.size())
      return emitPart();
    Value tasks = kb.i(parts[index].plan.grid);
    kb.ifThen(kb.less(task, tasks), emitPart, [&] { emitFrom(index + 1, kb.sub(task, tasks)); });
  };
  emitFrom(0, kb.task);
  if (failed(status))
    return failure();
  return Launch{grid, 0};
}

} // namespace hb::x86
