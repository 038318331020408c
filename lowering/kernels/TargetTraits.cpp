#include "lowering/kernels/TargetTraits.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace hb {

// On a GPU a block of a contraction sees 128 rows, of which every block along N would compute the norm again, and tensor cores leave
// Winograd's transforms as the larger part of the work.
static constexpr TargetTraits kTraits[] = {
    {"x86-64", true, true},
    {"cuda:", false, false},
};

const TargetTraits &targetTraits(Operation *op) {
  auto module = isa<ModuleOp>(op) ? cast<ModuleOp>(op) : op->getParentOfType<ModuleOp>();
  if (auto name = module ? module->getAttrOfType<StringAttr>(kTargetAttribute) : StringAttr())
    for (const TargetTraits &traits : kTraits)
      if (name.getValue().starts_with(traits.prefix))
        return traits;
  return kTraits[0];
}

} // namespace hb
