#include "dialects/grad/Stage.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;

namespace hb::grad {

static constexpr llvm::StringLiteral kBackward = "backward", kRecompute = "recompute";

Location withStage(Location where, Stage stage) {
  if (stage == Stage::forward)
    return where;
  return FusedLoc::get(where.getContext(), where, StringAttr::get(where.getContext(), stage == Stage::backward ? kBackward : kRecompute));
}

Stage stageOf(Location where) {
  Stage stage = Stage::forward;
  where->walk([&](Location part) {
    auto fused = dyn_cast<FusedLoc>(part);
    auto mark = fused ? dyn_cast_if_present<StringAttr>(fused.getMetadata()) : StringAttr();
    if (!mark || (mark != kBackward && mark != kRecompute))
      return WalkResult::advance();
    stage = mark == kBackward ? Stage::backward : Stage::recompute;
    return WalkResult::interrupt();
  });
  return stage;
}

} // namespace hb::grad
