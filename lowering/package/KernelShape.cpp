#include "lowering/package/KernelShape.h"

#include "dialects/kernel/Kernel.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using nlohmann::json;

namespace hb {
namespace {

ArrayRef<int64_t> extents(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

int64_t product(ArrayRef<int64_t> extents) {
  int64_t result = 1;
  for (int64_t extent : extents)
    result *= extent;
  return result;
}

json contractShape(kernel::ContractOp op) {
  SmallVector<int64_t> weight = op.weightShape();
  ArrayRef<int64_t> result = extents(op.getResult());
  if (op.getForm() == kernel::ContractForm::outer) // a matrix product for whoever counts
    return {{"form", "linear"}, {"rows", result[0]}, {"columns", result[1]}, {"depth", weight[0]}};
  // Columns are the weight's rows: both halves of a gated product are computed, one is stored.
  if (op.getForm() == kernel::ContractForm::planes)
    return {{"form", "planes"}, {"planes", result[0]}, {"rows", result[1]}, {"columns", weight[0]}, {"depth", weight[1]}};
  return {{"form", kernel::stringifyContractForm(op.getForm()).str()}, {"rows", product(result.drop_back())}, {"columns", weight[0]}, {"depth", product(ArrayRef(weight).drop_front())}};
}

/// The gradient has the shape of what it is the gradient of: its FLOPs say that it is more products.
template <typename Op> json attentionShape(Op op) {
  ArrayRef<int64_t> q = extents(op.getQ()), k = extents(op.getK()), v = extents(op.getV());
  int64_t heads = op.getHeads();
  return {{"form", "attention"}, {"batch", q[0]}, {"queries", q[1]}, {"keys", k[1]}, {"heads", heads}, {"width", q[2] / heads}, {"value_width", v[2] / heads}};
}

} // namespace

json kernelShapeJson(Operation *op) {
  return llvm::TypeSwitch<Operation *, json>(op)
      .Case([](kernel::ContractOp contract) { return contractShape(contract); })
      .Case([](kernel::AttentionOp attention) { return attentionShape(attention); })
      .Case([](kernel::AttentionVjpOp attention) { return attentionShape(attention); })
      .Default([](Operation *) { return json(); });
}

} // namespace hb
