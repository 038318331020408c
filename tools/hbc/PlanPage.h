// hbc plan --html: a plan as a picture.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <nlohmann/json.hpp>

#include <string>

namespace hb::tool {

struct PlanPageFacts {
  std::string model;
  int64_t budget = 0; ///< bytes; 0: none
};

/// One page that needs nothing else: of every entry its totals, the arena over time by what it is used for, the tensors kept for the gradient and those computed again,
/// and its kernels. `report` is planReport's. Long programs are drawn in a fixed number of columns, each at its fullest command.
std::string planPage(mlir::ModuleOp planned, const nlohmann::json &report, const PlanPageFacts &facts);

} // namespace hb::tool
