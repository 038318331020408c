// kernel.dropout: a thread for each element.
#include "lowering/emit/DropMask.h"
#include "lowering/emit/gpu/Families.h"
#include "lowering/emit/gpu/Pointwise.h"

using namespace mlir;

namespace hb::gpu {

FailureOr<Launch> emitDropout(KernelBuilder &kb, Operation *op) {
  auto dropout = cast<kernel::DropoutOp>(op);
  const Operand &x = kb.operand(dropout.getX()), &y = kb.operand(dropout.getResult());
  if (!x.contiguous() || !y.contiguous())
    return op->emitOpError("needs contiguous operands");
  const int64_t count = x.type.getNumElements(), grid = std::max<int64_t>(1, (count + pointwiseBlock - 1) / pointwiseBlock);
  SmallVector<Value> scalars;
  for (Value operand : dropout.getDrop()) {
    const Operand &scalar = kb.operand(operand);
    scalars.push_back(kb.load(scalar, kb.i(scalar.offset)));
  }
  DropMask mask(kb, scalars);
  Value number = kb.add(kb.mul(kb.block(), pointwiseBlock), kb.thread());
  kb.ifThen(kb.less(number, kb.i(count)), [&] { kb.store(y, kb.add(number, y.offset), mask.apply(kb.load(x, kb.add(number, x.offset)), number, 1)); });
  return Launch{grid, pointwiseBlock, 0};
}

} // namespace hb::gpu
