// hb-select-recompute: the cheapest choice of kept values that fits a budget. The choice has two parameters, the size of segments and the price of
// a kept byte; pairs of them are tried on numbers alone, and the IR changes once.
#include "dialects/grad/Stage.h"
#include "dialects/nn/Nn.h"
#include "lowering/kernels/Cost.h"
#include "lowering/kernels/MapBuilder.h"
#include "lowering/MemoryBudget.h"
#include "lowering/kernels/Passes.h"
#include "lowering/kernels/RecomputeGraph.h"
#include "lowering/kernels/Source.h"

#include <cmath>

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBSELECTRECOMPUTE
#include "lowering/kernels/Passes.h.inc"

namespace {

struct Candidate {
  RecomputeChoice choice;
  RecomputeSchedule schedule;
  bool isBetterThan(const Candidate &other, int64_t budget) const {
    bool fits = schedule.peak <= budget, otherFits = other.schedule.peak <= budget;
    if (fits != otherFits)
      return fits;
    return fits ? schedule.cost < other.schedule.cost : schedule.peak < other.schedule.peak;
  }
};

/// The search for one graph and budget.
class Search {
public:
  Search(const RecomputeGraph &graph, int64_t budget) : graph_(graph), budget_(budget) {}

  /// The cheapest candidate that fits, else the one that needs least.
  Candidate run() {
    attempt(std::vector<int>(graph_.ops.size(), 0), {});
    int64_t wanted = 0, largest = 1;
    for (auto [number, value] : llvm::enumerate(graph_.values))
      if (graph_.isWanted[number]) {
        wanted += value.bytes;
        largest = std::max(largest, value.bytes);
      }
    if (best_.schedule.peak > budget_)
      for (int64_t bytes = wanted; bytes >= std::max<int64_t>(largest / 2, 1); bytes /= 2)
        searchPrices(segmentForward(graph_, bytes));
    return std::move(best_);
  }

private:
  /// Prices in half powers of two: from less than any op costs per byte to more than a whole network does.
  static constexpr int kPrices = 48;
  static double price(int step) { return std::exp2(0.5 * step); }

  void searchPrices(const std::vector<int> &segments) {
    int low = 0, high = kPrices;
    if (!attempt(segments, {price(high)})) {
      // With few segments, the peak is lowest somewhere between keeping all and nothing.
      for (high = kPrices - 4; high > 0 && !attempt(segments, {price(high)}); high -= 4)
        ;
      if (high <= 0)
        return;
    }
    while (low + 1 < high) {
      int middle = (low + high) / 2;
      (attempt(segments, {price(middle)}) ? high : low) = middle;
    }
    // Between the two prices: as few segments as possible at the higher one.
    int few = 0, many = *llvm::max_element(segments) + 1;
    while (few + 1 < many) {
      int middle = (few + many) / 2;
      (attempt(segments, {price(low), price(high), middle}) ? many : few) = middle;
    }
  }

  /// Whether it fits.
  bool attempt(const std::vector<int> &segments, const BytePrice &price) {
    Candidate candidate{chooseSaved(graph_, segments, price), {}};
    candidate.schedule = scheduleRecompute(graph_, candidate.choice);
    const bool fits = candidate.schedule.peak <= budget_;
    if (best_.choice.saved.empty() || candidate.isBetterThan(best_, budget_))
      best_ = std::move(candidate);
    return fits;
  }

  const RecomputeGraph &graph_;
  int64_t budget_;
  Candidate best_;
};

/// Writes a choice into the function.
class Rewriter {
public:
  Rewriter(const RecomputeGraph &graph, const Candidate &chosen) : graph_(graph), chosen_(chosen), instances_(chosen.schedule.valueOf.size()) {
    for (auto [number, value] : llvm::enumerate(graph.values))
      instances_[number] = value.value;
  }

  void run() {
    for (const RecomputeStep &step : chosen_.schedule.steps) {
      if (!step.live)
        continue;
      const RecomputeGraph::Op &op = graph_.ops[step.op];
      if (step.before < 0) {
        op.op->walk([&](Operation *inner) { // a loop reads from inside too
          for (OpOperand &operand : inner->getOpOperands())
            operand.set(asRead(operand.get(), op, step, op.op));
        });
        continue;
      }
      OpBuilder builder(graph_.ops[step.before].op);
      Operation *copy = builder.clone(*op.op);
      copy->setLoc(grad::withStage(op.op->getLoc(), grad::Stage::recompute));
      for (OpOperand &operand : copy->getOpOperands())
        operand.set(asRead(operand.get(), op, step, copy));
      for (auto [i, write] : llvm::enumerate(step.writes))
        instances_[write] = copy->getResult(i);
    }
  }

private:
  /// `operand` of a step's op with the copy that the step reads behind it; views are repeated, they cost nothing.
  mlir::Value asRead(mlir::Value operand, const RecomputeGraph::Op &op, const RecomputeStep &step, Operation *reader) {
    int number = graph_.numberOf(operand);
    if (number < 0)
      return operand;
    int instance = step.reads[llvm::find(op.reads, number) - op.reads.begin()];
    return instance == number ? operand : viewed(operand, instances_[instance], reader);
  }

  mlir::Value viewed(mlir::Value operand, mlir::Value root, Operation *reader) {
    auto view = operand.getDefiningOp<kernel::ViewOp>();
    if (!view)
      return root;
    mlir::Value source = viewed(view.getX(), root, reader);
    OpBuilder builder(reader);
    return kernel::ViewOp::create(builder, view.getLoc(), view.getType(), source);
  }

  const RecomputeGraph &graph_;
  const Candidate &chosen_;
  std::vector<mlir::Value> instances_;
};

struct SelectRecompute : impl::HbSelectRecomputeBase<SelectRecompute> {
  using HbSelectRecomputeBase::HbSelectRecomputeBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    int64_t limit = budget;
    if (auto attribute = func->getParentOfType<ModuleOp>()->getAttrOfType<IntegerAttr>(kBudgetAttribute); attribute && limit <= 0)
      limit = attribute.getInt();
    if (limit <= 0 || func.isDeclaration())
      return;
    RecomputeGraph graph(func);
    int64_t arena = limit - weightBytes(func);
    if (auto reserve = func->getAttrOfType<IntegerAttr>(kReserveAttribute))
      arena -= reserve.getInt();
    Candidate chosen = Search(graph, arena).run();
    Builder b(&getContext());
    if (chosen.schedule.peak > arena)
      func->setAttr(kUnfitAttribute, b.getI64IntegerAttr(chosen.schedule.peak - arena));
    if (chosen.schedule.cost == 0)
      return;
    describe(graph, chosen);
    Rewriter(graph, chosen).run();
    // What only the backward part read, and it reads copies now.
    SmallVector<Operation *> all;
    for (Operation &op : func.getBody().front().without_terminator())
      all.push_back(&op);
    for (Operation *op : llvm::reverse(all))
      if (op->use_empty() && !isa<nn::RepeatOp>(op))
        op->erase();
  }

  static int64_t weightBytes(func::FuncOp func) {
    int64_t bytes = 0;
    func.walk([&](kernel::WeightOp weight) { bytes += tensorBytes(tensorOf(weight.getResult())); });
    return bytes;
  }

  /// One entry for each segment of which something is computed again.
  void describe(const RecomputeGraph &graph, const Candidate &chosen) {
    struct Region {
      Operation *first = nullptr, *last = nullptr;
      int firstOp = 0, lastOp = 0;
      int64_t launches = 0, bytes = 0, flops = 0;
    };
    llvm::MapVector<int, Region> regions;
    for (const RecomputeStep &step : chosen.schedule.steps) {
      if (step.before < 0 || !step.live)
        continue;
      const RecomputeGraph::Op &op = graph.ops[step.op];
      Region &region = regions[chosen.choice.segmentOf[step.op]];
      if (!region.first || step.op < region.firstOp)
        region.first = op.op, region.firstOp = step.op;
      if (!region.last || step.op > region.lastOp)
        region.last = op.op, region.lastOp = step.op;
      ++region.launches;
      ++recomputed;
      region.flops += op.flops;
      for (int write : op.writes)
        region.bytes += graph.values[write].bytes;
    }
    Builder b(&getContext());
    auto name = [&](Operation *op) {
      std::string path = modulePath(op->getLoc());
      return b.getStringAttr(path.empty() ? op->getName().stripDialect().str() : path);
    };
    SmallVector<Attribute> entries;
    for (auto &[segment, region] : regions)
      entries.push_back(b.getDictionaryAttr({b.getNamedAttr("from", name(region.first)), b.getNamedAttr("to", name(region.last)),
                                             b.getNamedAttr("source", b.getStringAttr(sourceText(region.first->getLoc()))),
                                             b.getNamedAttr("launches", b.getI64IntegerAttr(region.launches)), b.getNamedAttr("bytes", b.getI64IntegerAttr(region.bytes)),
                                             b.getNamedAttr("flops", b.getI64IntegerAttr(region.flops))}));
    getOperation()->setAttr(kRecomputedAttribute, b.getArrayAttr(entries));
  }
};

} // namespace
} // namespace hb
