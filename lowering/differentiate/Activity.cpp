#include "lowering/differentiate/Activity.h"

#include "dialects/nn/Nn.h"

using namespace mlir;

namespace hb {

/// Ids are no path for a gradient whatever the op; a float operand of an op without a rule would be one.
static bool isFloat(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

bool Activity::passes(OpOperand &use) {
  Operation *op = use.getOwner();
  if (isa<grad::StopOp>(op))
    return false;
  if (isa<grad::CheckpointOp>(op))
    return true;
  if (auto rule = dyn_cast<grad::DifferentiableOpInterface>(op))
    return isFloat(use.get()) && rule.isDifferentiable(use.getOperandNumber());
  return false;
}

Activity::Activity(grad::VjpOp vjp) {
  // Backwards from `of`: what matters. Forwards from `wrt` inside that: what is active. Both stay in the block of the vjp.
  llvm::DenseSet<Operation *> needed;
  SmallVector<Operation *> work;
  auto need = [&](Value value) {
    Operation *op = value.getDefiningOp();
    if (op && op->getBlock() == vjp->getBlock() && needed.insert(op).second)
      work.push_back(op);
  };
  for (Value value : vjp.getOf())
    need(value);
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    if (!isa<grad::StopOp>(op))
      for (Value operand : op->getOperands())
        need(operand);
  }
  for (Value value : vjp.getWrt())
    active_.insert(value);
  for (Operation &op : *vjp->getBlock()) {
    if (&op == vjp.getOperation())
      break;
    if (!needed.contains(&op) || isa<grad::StopOp>(op))
      continue;
    bool reached = false;
    for (OpOperand &use : op.getOpOperands()) {
      if (!active_.contains(use.get()))
        continue;
      if (passes(use))
        reached = true;
      else if (isFloat(use.get()) && !blocked_)
        blocked_ = &use;
    }
    // What a loop reads from outside is no operand; none has a rule.
    op.walk([&](Operation *inner) {
      for (OpOperand &use : inner->getOpOperands())
        if (inner != &op && active_.contains(use.get()) && !blocked_)
          blocked_ = &use;
    });
    if (!reached)
      continue;
    ops_.push_back(&op);
    for (Value result : op.getResults())
      if (isFloat(result))
        active_.insert(result);
  }
}

} // namespace hb
