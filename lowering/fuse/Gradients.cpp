#include "lowering/fuse/Gradients.h"

#include "dialects/grad/Grad.h"
#include "dialects/grad/Stage.h"
#include "lowering/MemoryBudget.h"

using namespace mlir;

namespace hb {

DifferentiatedCode::DifferentiatedCode(Operation *func) {
  auto module = func->getParentOfType<ModuleOp>();
  if (!module || !module->hasAttr(kSharedWeightsAttribute))
    return;
  everywhere_ = func->walk([](Operation *op) {
                      bool gradient = isa<grad::VjpOp>(op) || grad::stageOf(op->getLoc()) != grad::Stage::forward;
                      return gradient ? WalkResult::interrupt() : WalkResult::advance();
                    }).wasInterrupted();
}

bool DifferentiatedCode::contains(Operation *op) {
  if (everywhere_)
    return true;
  auto [entry, isNew] = blocks_.try_emplace(op->getBlock(), false);
  if (isNew)
    entry->second = llvm::any_of(*op->getBlock(), llvm::IsaPred<grad::VjpOp>);
  return entry->second;
}

} // namespace hb
