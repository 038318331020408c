#include "lowering/kernels/Inplace.h"

#include "lowering/kernels/MapBuilder.h"

using namespace mlir;

namespace hb {

SmallVector<std::pair<unsigned, unsigned>> inplacePairs(Operation *op) {
  SmallVector<std::pair<unsigned, unsigned>> pairs;
  auto add = [&](ValueRange inputs, ArrayAttr maps, unsigned first, DenseBoolArrayAttr zeroOutside) {
    for (auto [i, input] : llvm::enumerate(inputs)) {
      AffineMap map = cast<AffineMapAttr>(maps[i]).getValue();
      if (input.getType() == op->getResult(0).getType() && isContiguous(input) && map.isIdentity() && !(zeroOutside && zeroOutside[i]))
        pairs.push_back({first + static_cast<unsigned>(i), 0});
    }
  };
  if (auto map = dyn_cast<kernel::MapOp>(op))
    add(map.getInputs(), map.getMaps(), 0, map.getZeroOutsideAttr());
  if (auto contract = dyn_cast<kernel::ContractOp>(op); contract && !contract.getExtras().empty())
    add(contract.getExtras(), contract.getMaps(), contract.getExtras().getBeginOperandIndex(), {});
  if (auto output = dyn_cast<kernel::WinogradOutputOp>(op); output && output.getInto())
    pairs.push_back({output.getIntoMutable().begin()->getOperandNumber(), 0});
  else if (output && !output.getExtras().empty())
    add(output.getExtras(), output.getMaps(), output.getExtras().getBeginOperandIndex(), {});
  return pairs;
}

} // namespace hb
