// What a kernel computes, in the numbers by which reports on speed tell kernels apart (docs/module-format.md, `shape`).
#pragma once

#include "mlir/IR/Operation.h"
#include <nlohmann/json.hpp>

namespace hb {

/// The `shape` of a family op in the module's header; null for families that have none.
nlohmann::json kernelShapeJson(mlir::Operation *op);

} // namespace hb
