#include "lowering/emit/gpu/ContractOperands.h"

using namespace mlir;

namespace hb::gpu {

ContractRows::ContractRows(KernelBuilder &kb, kernel::ContractOp op) : kb(kb), op(op), a(kb.operand(op.getA())) {
  ArrayRef<int64_t> result = kb.operand(op.getResult()).shape();
  resultShape.assign(result.begin(), result.end());
  if (op.getForm() == kernel::ContractForm::outer) {
    terms = a.shape()[0];
    rows = a.shape()[1];
    rowsFastest = true;
    return;
  }
  for (int64_t extent : result.drop_back())
    rows *= extent;
  const SmallVector<int64_t> weight = op.weightShape();
  for (int64_t extent : ArrayRef(weight).drop_front())
    terms *= extent;
}

Value ContractRows::rowOffset(Value row) const {
  if (op.getForm() == kernel::ContractForm::outer)
    return kb.add(kb.mul(row, a.strides[1]), a.offset);
  SmallVector<Value> place = kb.delinearize(row, ArrayRef(resultShape).drop_back());
  Value offset = kb.i(a.offset);
  for (auto [dim, index] : llvm::enumerate(place)) {
    const int64_t step = op.getForm() == kernel::ContractForm::conv2d && dim > 0 ? op.getStrides()[dim - 1] : 1;
    offset = kb.add(offset, kb.mul(index, step * a.strides[dim]));
  }
  return offset;
}

Value ContractRows::termOffset(Value term) const {
  switch (op.getForm()) {
  case kernel::ContractForm::outer:
    return kb.mul(term, a.strides[0]);
  case kernel::ContractForm::conv2d: {
    const int64_t channels = a.shape()[3], width = op.weightShape()[3];
    Value tap = kb.div(term, channels), channel = kb.rem(term, channels);
    return kb.add(kb.add(kb.mul(kb.div(tap, width), a.strides[1]), kb.mul(kb.rem(tap, width), a.strides[2])), kb.mul(channel, a.strides[3]));
  }
  default:
    return kb.mul(term, a.strides.back());
  }
}

ContractColumns::ContractColumns(KernelBuilder &kb, kernel::ContractOp op, int64_t terms)
    : columns(kb.operand(op.getResult()).shape().back()), termsFastest(op.getAdjoint()), halves(op.getGated() ? 2 : 1), kb(kb), op(op), w(kb.operand(op.getWeight())), terms(terms) {
  const SmallVector<int64_t> weight = op.weightShape();
  if (op.getForm() == kernel::ContractForm::conv2d)
    taps = weight[2] * weight[3];
  channels = terms / taps;
}

Value ContractColumns::offset(Value term, Value column, int half) const {
  if (op.getForm() == kernel::ContractForm::outer)
    return kb.add(kb.add(kb.mul(term, w.strides[0]), kb.mul(column, w.strides[1])), w.offset);
  if (!op.getAdjoint()) {
    Value panel = kb.add(kb.mul(kb.div(column, 16), halves), half);
    return kb.add(kb.mul(kb.add(kb.mul(panel, terms), term), 16), kb.rem(column, 16));
  }
  // Panels of the other direction: [⌈channels/16⌉][taps · columns][16], the taps reversed.
  Value channel = taps == 1 ? term : kb.rem(term, channels);
  Value place = taps == 1 ? column : kb.add(kb.mul(kb.sub(kb.i(taps - 1), kb.div(term, channels)), columns), column);
  return kb.add(kb.mul(kb.add(kb.mul(kb.div(channel, 16), taps * columns), place), 16), kb.rem(channel, 16));
}

} // namespace hb::gpu
