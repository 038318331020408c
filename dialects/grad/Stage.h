// Which part of a differentiated program an op belongs to. It travels in locations, the one thing that every rewrite hands on: reports tell
// forward from backward work by it, and the choice of what to recompute starts from it. No computation depends on it.
#pragma once

#include "mlir/IR/Location.h"

namespace hb::grad {

enum class Stage {
  forward,   ///< what the program asked for
  backward,  ///< added by hb-differentiate
  recompute, ///< forward work done once more by hb-select-recompute
};

/// `where` marked as part of `stage`; `forward` is the absence of a mark.
mlir::Location withStage(mlir::Location where, Stage stage);

/// The outermost mark; of several places that became one op, that of the first that has one.
Stage stageOf(mlir::Location where);

} // namespace hb::grad
