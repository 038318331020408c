#include "dialects/grad/Grad.h"

using namespace mlir;

#include "dialects/grad/DifferentiableOpInterface.cpp.inc"
#include "dialects/grad/GradDialect.cpp.inc"

namespace hb::grad {

void GradDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/grad/GradOps.cpp.inc"
      >();
}

LogicalResult VjpOp::verify() {
  if (getOf().getTypes() != getCotangents().getTypes())
    return emitOpError("(C1) expected one cotangent of the type of each value; found ") << getCotangents().size() << " for " << getOf().size() << " or other types";
  if (getWrt().size() != getGradients().size())
    return emitOpError("(C2) expected one result for each of ") << getWrt().size() << " values; found " << getGradients().size();
  for (auto [value, gradient] : llvm::zip(getWrt(), getGradients()))
    if (cast<RankedTensorType>(value.getType()).getShape() != cast<RankedTensorType>(gradient.getType()).getShape())
      return emitOpError("(C2) expected a gradient of the shape of ") << value.getType() << "; found " << gradient.getType();
  return success();
}

} // namespace hb::grad

#define GET_OP_CLASSES
#include "dialects/grad/GradOps.cpp.inc"
