#include "lowering/emit/Operand.h"

#include "dialects/kernel/Kernel.h"

using namespace mlir;

namespace hb::emit {

bool Operand::collapses(int64_t first, int64_t last) const {
  // Dimensions of extent 1 say nothing: their stride may be anything.
  std::optional<int64_t> expected;
  for (int64_t d = last; d-- > first;) {
    if (shape()[d] == 1)
      continue;
    if (expected && strides[d] != *expected)
      return false;
    expected = strides[d] * shape()[d];
  }
  return true;
}

bool Operand::contiguous() const { return rank() == 0 || (collapses(0, rank()) && (strides.back() == 1 || shape().back() == 1)); }

Operand Operand::describe(Value base, RankedTensorType type) {
  Operand operand{base, type, 0, {}};
  if (auto strided = dyn_cast_or_null<kernel::StridedAttr>(type.getEncoding())) {
    operand.offset = strided.getOffset();
    operand.strides.assign(strided.getStrides().begin(), strided.getStrides().end());
    return operand;
  }
  operand.strides.resize(type.getRank());
  int64_t stride = 1;
  for (int64_t d = type.getRank(); d-- > 0;) {
    operand.strides[d] = stride;
    stride *= type.getDimSize(d);
  }
  return operand;
}

} // namespace hb::emit
