// kernel.dropout.
#include "lowering/emit/x86/Dropout.h"

#include "lowering/emit/x86/Families.h"

using namespace mlir;

namespace hb::x86 {
DropMask loadDropMask(KernelBuilder &kb, ValueRange drop) {
  SmallVector<Value> scalars;
  for (Value operand : drop) {
    const Operand &o = kb.operand(operand);
    scalars.push_back(kb.load(o, kb.i(o.offset), 1));
  }
  return DropMask(kb, scalars);
}

FailureOr<Launch> emitDropout(KernelBuilder &kb, Operation *op) {
  auto dropout = cast<kernel::DropoutOp>(op);
  const Operand &x = kb.operand(dropout.getX()), &y = kb.operand(dropout.getResult());
  if (!x.contiguous() || !y.contiguous())
    return op->emitOpError("needs contiguous operands");
  // Tasks of a size that a first-level cache holds, in whole vectors of every variant.
  constexpr int64_t taskElements = 4096;
  const int64_t count = x.type.getNumElements(), grid = std::max<int64_t>(1, (count + taskElements - 1) / taskElements);
  DropMask mask = loadDropMask(kb, dropout.getDrop());
  auto piece = [&](Value at, int lanes) {
    Value value = kb.load(x, kb.add(at, x.offset), lanes);
    kb.store(y, kb.add(at, y.offset), mask.apply(value, at, lanes));
  };
  Value first = kb.mul(kb.task, taskElements), end = kb.min(kb.add(first, taskElements), kb.i(count));
  Value whole = kb.add(first, kb.mul(kb.div(kb.sub(end, first), kb.lanes()), kb.lanes()));
  kb.loop(first, whole, kb.lanes(), [&](Value at) { piece(at, kb.lanes()); });
  if (count % kb.lanes())
    kb.loop(whole, end, 1, [&](Value at) { piece(at, 1); });
  return Launch{grid, 0};
}

} // namespace hb::x86
