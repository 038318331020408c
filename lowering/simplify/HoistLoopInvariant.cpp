// Loop-invariant code motion over nn.repeat, inner loops first. Every nn op is pure, so the only question is whether its
// operands are defined outside; MLIR's own walk answers it. Weakness: what is hoisted stays in memory during the whole loop.
#include "lowering/simplify/Passes.h"

#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBHOISTLOOPINVARIANT
#include "lowering/simplify/Passes.h.inc"

namespace {

class HoistLoopInvariant : public impl::HbHoistLoopInvariantBase<HoistLoopInvariant> {
  void runOnOperation() override {
    getOperation()->walk([&](nn::RepeatOp loop) { hoisted += moveLoopInvariantCode(loop); });
  }
};

} // namespace
} // namespace hb
