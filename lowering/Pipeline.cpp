#include "lowering/Pipeline.h"

#include "dialects/grad/Grad.h"
#include "dialects/plan/Plan.h"
#include "lowering/Dump.h"
#include "lowering/differentiate/Passes.h"
#include "lowering/fuse/Passes.h"
#include "lowering/MemoryBudget.h"
#include "lowering/kernels/Passes.h"
#include "lowering/plan/Passes.h"
#include "lowering/plan/Reports.h"
#include "lowering/simplify/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/FormatVariadic.h"

#include <chrono>

using namespace mlir;

namespace hb {
namespace {

/// Gradients, then what the joint graph has in common and what can be fused in it. A module that asks for no gradient stays as it is,
/// which is why this is a pass of its own around the three phases.
struct DifferentiateJointly : PassWrapper<DifferentiateJointly, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DifferentiateJointly)
  StringRef getArgument() const override { return "hb-differentiate-jointly"; }
  StringRef getDescription() const override { return "hb-differentiate, then simplify and fuse again, where gradients are asked for"; }

  void runOnOperation() override {
    auto isRequest = [](Operation *op) { return isa<grad::GradDialect>(op->getDialect()) ? WalkResult::interrupt() : WalkResult::advance(); };
    if (!getOperation().walk(isRequest).wasInterrupted())
      return;
    OpPassManager passes(ModuleOp::getOperationName());
    buildDifferentiatePhase(passes);
    buildSimplifyPhase(passes);
    buildFusePhase(passes);
    if (failed(runPipeline(passes, getOperation())))
      signalPassFailure();
  }
};

/// A phase that is a list of passes.
struct Phase {
  const char *name;
  void (*build)(OpPassManager &);
};

constexpr Phase kPhases[] = {
    {"simplify", buildSimplifyPhase}, {"fuse", buildFusePhase}, {"differentiate", [](OpPassManager &passes) { passes.addPass(std::make_unique<DifferentiateJointly>()); }}, {"kernels", buildKernelsPhase}, {"plan", buildPlanPhase},
};

/// What the entries of a planned module need beyond the budget.
struct Excess {
  plan::ProgramOp program;
  int64_t bytes = 0; ///< negative: so much is left
};

std::vector<Excess> excesses(ModuleOp planned, int64_t budget) {
  std::vector<Excess> all;
  for (auto program : planned.getOps<plan::ProgramOp>())
    all.push_back({program, static_cast<int64_t>(program.getArenaBytes()) + weightBytes(program) - budget});
  return all;
}

void reportExcess(const Excess &excess, int64_t budget) {
  plan::ProgramOp program = excess.program;
  std::string largest;
  if (auto entries = program->getAttrOfType<ArrayAttr>("largest"))
    for (auto entry : entries.getAsRange<DictionaryAttr>())
      largest += llvm::formatv("{0}{1} bytes ({2})", largest.empty() ? "" : ", ", entry.getAs<IntegerAttr>("bytes").getInt(), entry.getAs<StringAttr>("source").getValue()).str();
  emitError(program.getLoc()) << "HB0831: " << program.getSymName() << ": expected a plan within the budget of " << budget << " bytes; found that it needs "
                              << budget + excess.bytes << ", " << excess.bytes << " more: " << weightBytes(program) << " of packed weights and "
                              << program.getArenaBytes() << " for values between kernels, of which the largest at the peak are " << largest
                              << "; raise --memory-budget, or compile a smaller size, batch or --grad-steps";
}

/// What is given up for memory when recomputation alone does not do, cheapest first.
constexpr llvm::StringLiteral kTrades[] = {kSharedWeightsAttribute, kDirectConvolutionsAttribute};

/// Runs the phases up to the plan until every entry fits. The choice of what to recompute works with an estimate; the plan is what counts, and where it
/// needs more than estimated, the choice is made again with that much less. Where no choice can fit, weights are packed in fewer ways.
class BudgetedPhases {
public:
  BudgetedPhases(ModuleOp module, int64_t budget) : module_(module), budget_(budget), start_(cast<ModuleOp>(module->clone())) {}

  /// Whether planning can be spared: no choice fits by the estimate, and there is something left to trade.
  bool isHopeless() {
    return nextTrade() && llvm::any_of(module_.getOps<func::FuncOp>(), [](func::FuncOp func) { return func->hasAttr(kUnfitAttribute); });
  }

  /// `phases` runs them on the module, to the plan or to where isHopeless() says so. Fails after a diagnostic.
  LogicalResult run(llvm::function_ref<LogicalResult()> phases) {
    constexpr int kMostRounds = 4; // for each set of trades
    for (int round = 1;; ++round) {
      if (failed(phases()))
        return failure();
      if (isHopeless()) {
        trade();
        round = 0;
        restart();
        continue;
      }
      bool fits = true, hopeless = round == kMostRounds;
      for (auto [program, bytes] : excesses(module_, budget_)) {
        fits &= bytes <= 0;
        hopeless |= bytes > 0 && program->hasAttr(kUnfitAttribute);
        if (bytes > 0)
          addReserve(program.getSymName(), bytes);
      }
      if (fits)
        return success();
      if (hopeless) {
        if (!trade())
          break;
        round = 0;
      }
      restart();
    }
    for (const Excess &excess : excesses(module_, budget_))
      if (excess.bytes > 0)
        reportExcess(excess, budget_);
    return failure();
  }

private:
  void addReserve(StringRef entry, int64_t bytes) {
    auto func = start_.get().lookupSymbol<func::FuncOp>(entry);
    auto before = func->getAttrOfType<IntegerAttr>(kReserveAttribute);
    func->setAttr(kReserveAttribute, IntegerAttr::get(IntegerType::get(module_.getContext(), 64), bytes + (before ? before.getInt() : 0)));
  }

  /// An attribute of kTrades, or null when all are made.
  StringAttr nextTrade() {
    for (StringRef attribute : kTrades)
      if (!start_.get()->hasAttr(attribute))
        return StringAttr::get(module_.getContext(), attribute);
    return {};
  }

  /// Makes the next trade; false when there is none.
  bool trade() {
    StringAttr attribute = nextTrade();
    if (!attribute)
      return false;
    start_.get()->setAttr(attribute, UnitAttr::get(module_.getContext()));
    for (auto func : start_.get().getOps<func::FuncOp>())
      func->removeAttr(kReserveAttribute);
    return true;
  }

  void restart() {
    OwningOpRef<ModuleOp> again(cast<ModuleOp>(start_.get()->clone()));
    module_->setAttrs(again.get()->getAttrDictionary());
    module_.getBodyRegion().takeBody(again.get().getBodyRegion());
  }

  ModuleOp module_;
  int64_t budget_;
  OwningOpRef<ModuleOp> start_; ///< as imported
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

} // namespace

const std::vector<std::string> &phaseNames() {
  static const std::vector<std::string> names = {"import", "simplify", "fuse", "differentiate", "kernels", "plan", "emit", "package"};
  return names;
}

void registerPhases() {
  PassRegistration<DifferentiateJointly>();
  for (const Phase &phase : kPhases)
    registerPassPipeline(
        std::string("hb-phase-") + phase.name, std::string("the passes of the phase ") + phase.name,
        [build = phase.build](OpPassManager &passes, StringRef options, function_ref<LogicalResult(const Twine &)> fail) -> LogicalResult {
          if (!options.empty())
            return fail("a phase takes no options");
          build(passes);
          return success();
        },
        [](function_ref<void(const detail::PassOptions &)>) {});
}

LogicalResult runPipeline(ModuleOp module, const PipelineOptions &options, PipelineResult &result) {
  PhaseDump dump(options.dumpFolder);
  dump.write("import", module);
  if (options.stopAfter == "import")
    return success();
  auto runPhase = [&](const Phase &phase) {
    double start = now();
    PassManager passes(module.getContext(), ModuleOp::getOperationName());
    phase.build(passes);
    if (!options.reproducer.empty())
      passes.enableCrashReproducerGeneration(options.reproducer);
    if (failed(passes.run(module)))
      return failure();
    auto time = llvm::find_if(result.times, [&](const PhaseTime &t) { return t.name == phase.name; });
    if (time == result.times.end())
      result.times.push_back({phase.name, now() - start});
    else
      time->seconds += now() - start; // tried again for the budget
    dump.write(phase.name, module);
    return success();
  };
  auto budget = module->getAttrOfType<IntegerAttr>(kBudgetAttribute);
  std::optional<BudgetedPhases> budgeted;
  if (budget && (options.stopAfter.empty() || llvm::is_contained({"plan", "emit", "package"}, options.stopAfter)))
    budgeted.emplace(module, budget.getInt());
  bool stopped = false;
  auto runPhases = [&] {
    for (const Phase &phase : kPhases) {
      if (failed(runPhase(phase)))
        return failure();
      if ((stopped = options.stopAfter == phase.name) || (budgeted && StringRef(phase.name) == "kernels" && budgeted->isHopeless()))
        break;
    }
    return success();
  };
  if (failed(budgeted ? budgeted->run(runPhases) : runPhases()))
    return failure();
  if (stopped)
    return success();
  double start = now();
  if (failed(emitX86(module, options.targets, result.code, &result.emitted)))
    return failure();
  result.times.push_back({"emit", now() - start});
  dump.write("emit", module);
  return success();
}

} // namespace hb
