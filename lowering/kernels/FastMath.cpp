#include "lowering/kernels/FastMath.h"

#include "dialects/kernel/Kernel.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace hb {

bool allowsFastMath(ModuleOp module) {
  auto math = module ? module->getAttrOfType<StringAttr>(kMathAttribute) : StringAttr();
  return math && math.getValue() == "fast";
}

llvm::StringRef fastMathUse(Operation *op) {
  constexpr llvm::StringLiteral tiles = "Winograd tiles of 4×2 points";
  auto large = [&](ArrayRef<int64_t> m) { return m == ArrayRef<int64_t>({4, 2}); };
  return llvm::TypeSwitch<Operation *, llvm::StringRef>(op)
      .Case([&](kernel::WinogradInputOp input) { return large(input.getM()) ? StringRef(tiles) : StringRef(); })
      .Case([&](kernel::WinogradOutputOp output) { return large(output.getM()) ? StringRef(tiles) : StringRef(); })
      .Case([&](kernel::ContractOp contract) {
        auto packed = dyn_cast_if_present<kernel::PackedAttr>(cast<RankedTensorType>(contract.getWeight().getType()).getEncoding());
        return packed && packed.getLayout() == kernel::WeightLayout::winograd_f4x2 ? StringRef(tiles) : StringRef();
      })
      .Default([](Operation *) { return StringRef(); });
}

} // namespace hb
