// hb-make-plan: plans every function of a module.
#include "lowering/plan/Passes.h"
#include "lowering/plan/Planner.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBMAKEPLAN
#include "lowering/plan/Passes.h.inc"

namespace {
struct MakePlan : impl::HbMakePlanBase<MakePlan> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::StringMap<kernel::DefOp> kernels;
    for (auto def : module.getOps<kernel::DefOp>())
      kernels[def.getSymName()] = def;
    Tables tables(module);
    for (auto func : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      OpBuilder builder(func);
      if (!Planner(func, tables, kernels).run(builder))
        return signalPassFailure();
      func.erase();
    }
    tables.finish();
  }
};
} // namespace

} // namespace hb
