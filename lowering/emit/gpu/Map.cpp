// kernel.map and kernel.concat: one scalar expression per result element, and copies side by side.
#include "lowering/emit/ScalarRegion.h"
#include "lowering/emit/gpu/Families.h"
#include "lowering/emit/gpu/Pointwise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb::gpu {

FailureOr<Launch> emitMap(KernelBuilder &kb, Operation *op) {
  auto map = cast<kernel::MapOp>(op);
  SmallVector<PointwiseAccess> accesses;
  auto zeroOutside = map.getZeroOutside();
  for (auto [index, input, attr] : llvm::enumerate(map.getInputs(), map.getMaps().getAsValueRange<AffineMapAttr>()))
    accesses.push_back({&kb.operand(input), attr, zeroOutside && (*zeroOutside)[index]});
  Pointwise pointwise(kb, accesses, kb.operand(map.getResult()));
  LogicalResult status = pointwise.emit(kb.block(), [&](ArrayRef<Value> elements) -> FailureOr<Value> {
    FailureOr<SmallVector<Value>> results = inlineRegion(kb, map.getBody(), elements);
    if (failed(results))
      return failure();
    return (*results)[0];
  });
  if (failed(status))
    return failure();
  return Launch{pointwise.blocks(), pointwiseBlock, 0};
}

FailureOr<Launch> emitConcat(KernelBuilder &kb, Operation *op) {
  auto concat = cast<kernel::ConcatOp>(op);
  const Operand &whole = kb.operand(concat.getResult());
  const int64_t axis = concat.getAxis();
  AffineMap identity = AffineMap::getMultiDimIdentityMap(whole.rank(), op->getContext());
  // Each input is a copy into its part of the result; the blocks of the inputs follow each other.
  int64_t grid = 0, position = 0;
  LogicalResult status = success();
  for (Value input : concat.getInputs()) {
    const Operand &source = kb.operand(input);
    Operand part = whole;
    part.type = RankedTensorType::get(source.shape(), whole.element());
    part.offset += position * whole.strides[axis];
    position += source.shape()[axis];
    Pointwise copy(kb, {{&source, identity, false}}, part);
    auto write = [&] {
      LogicalResult written = copy.emit(kb.sub(kb.block(), kb.i(grid)), [&](ArrayRef<Value> elements) -> FailureOr<Value> {
        return getElementTypeOrSelf(elements[0].getType()) == whole.element() ? elements[0] : kb.narrow(kb.widen(elements[0]), whole.element());
      });
      if (failed(written))
        status = failure();
    };
    Value begun = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::sge, kb.block(), kb.i(grid));
    kb.ifThen(arith::AndIOp::create(kb.b, kb.loc, begun, kb.less(kb.block(), kb.i(grid + copy.blocks()))), write);
    grid += copy.blocks();
  }
  if (failed(status))
    return failure();
  return Launch{grid, pointwiseBlock, 0};
}

} // namespace hb::gpu
