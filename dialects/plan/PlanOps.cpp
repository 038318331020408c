// Verifiers of the plan ops.
#include "dialects/plan/Plan.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace hb::plan;
#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.cpp.inc"
