#include "lowering/kernels/RecomputeGraph.h"

#include "dialects/grad/Stage.h"
#include "dialects/nn/Nn.h"
#include "lowering/kernels/Cost.h"
#include "lowering/kernels/Inplace.h"
#include "lowering/kernels/MapBuilder.h"

using namespace mlir;

namespace hb {

/// How many floating point operations take as long as moving one byte to or from memory. Machines lie between 10 (a core with vectors of
/// 512 bits) and 20 (an A100 without its matrix units); only the ratio of cheap maps to matrix products depends on it.
static constexpr int64_t kFlopsPerByte = 16;

static mlir::Value behindViews(mlir::Value value) {
  while (auto view = value.getDefiningOp<kernel::ViewOp>())
    value = view.getX();
  return value;
}

RecomputeGraph::RecomputeGraph(func::FuncOp func) {
  mlir::Block &body = func.getBody().front();
  for (Operation &op : body.without_terminator())
    if (!isa<kernel::WeightOp, kernel::ConstantOp, kernel::ViewOp>(op))
      add(&op);
  isOutput.assign(values.size(), false);
  isWanted.assign(values.size(), false);
  for (mlir::Value result : body.getTerminator()->getOperands())
    if (int number = numberOf(result); number >= 0) {
      isOutput[number] = true;
      // Only a kernel writes straight to the caller's memory; what a loop leaves is copied there.
      if (!isa<nn::RepeatOp>(ops[values[number].definition].op))
        values[number].bytes = 0;
    }
  for (const Op &op : ops)
    for (int value : op.reads)
      if (op.backward && !ops[values[value].definition].backward)
        isWanted[value] = true;
}

int RecomputeGraph::numberOf(mlir::Value value) const {
  auto found = numbers.find(behindViews(value));
  return found == numbers.end() ? -1 : found->second;
}

bool RecomputeGraph::hasBackward() const {
  return llvm::any_of(ops, [](const Op &op) { return op.backward; });
}

int RecomputeGraph::define(mlir::Value value, int op) {
  int number = static_cast<int>(values.size());
  values.push_back({value, tensorBytes(tensorOf(value)), op});
  numbers[value] = number;
  return number;
}

/// Bytes that a loop's body needs at one time. Its places for carried values are the loop's results, which the caller counts.
static int64_t bytesInside(nn::RepeatOp repeat) {
  llvm::DenseMap<mlir::Value, int64_t> lastUse;
  int64_t clock = 0, live = 0, peak = 0;
  mlir::Block &body = repeat.getBody().front();
  for (Operation &op : body) {
    ++clock;
    for (mlir::Value operand : op.getOperands())
      lastUse[behindViews(operand)] = clock;
  }
  clock = 0;
  for (Operation &op : body) {
    ++clock;
    if (isa<kernel::ViewOp, kernel::WeightOp, kernel::ConstantOp>(op))
      continue;
    int64_t inner = 0;
    if (auto loop = dyn_cast<nn::RepeatOp>(op))
      inner = bytesInside(loop);
    for (mlir::Value result : op.getResults())
      live += tensorBytes(tensorOf(result));
    peak = std::max(peak, live + inner);
    llvm::SmallPtrSet<mlir::Value, 8> seen;
    for (mlir::Value operand : op.getOperands()) {
      mlir::Value root = behindViews(operand);
      if (lastUse[root] == clock && root.getParentBlock() == &body && root.getDefiningOp() && !isa<kernel::WeightOp, kernel::ConstantOp>(root.getDefiningOp()) &&
          seen.insert(root).second)
        live -= tensorBytes(tensorOf(root));
    }
    for (mlir::Value result : op.getResults())
      if (!lastUse.count(result))
        live -= tensorBytes(tensorOf(result));
  }
  return peak;
}

void RecomputeGraph::add(Operation *operation) {
  Op op;
  op.op = operation;
  int number = static_cast<int>(ops.size());
  auto read = [&](mlir::Value value) {
    if (int n = numberOf(value); n >= 0 && !llvm::is_contained(op.reads, n))
      op.reads.push_back(n);
  };
  operation->walk([&](Operation *inner) { llvm::for_each(inner->getOperands(), read); });
  for (mlir::Value result : operation->getResults())
    op.writes.push_back(define(result, number));
  for (auto [operand, result] : inplacePairs(operation))
    if (int from = numberOf(operation->getOperand(operand)); from >= 0)
      op.inplace.push_back({from, op.writes[result]});
  op.backward = grad::stageOf(operation->getLoc()) != grad::Stage::forward || llvm::any_of(op.reads, [&](int v) { return ops[values[v].definition].backward; });
  auto repeat = dyn_cast<nn::RepeatOp>(operation);
  op.inside = repeat ? bytesInside(repeat) : 0;
  op.repeatable = !repeat && !op.backward;
  op.flops = kernelFlops(operation);
  op.cost = op.flops + kFlopsPerByte * kernelBytes(operation);
  ops.push_back(std::move(op));
}

} // namespace hb
