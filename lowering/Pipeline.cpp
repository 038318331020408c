#include "lowering/Pipeline.h"

#include "dialects/grad/Grad.h"
#include "lowering/BudgetedPhases.h"
#include "lowering/Dump.h"
#include "lowering/MemoryBudget.h"
#include "lowering/differentiate/Passes.h"
#include "lowering/emit/nvvm/EmitNvvm.h"
#include "lowering/emit/x86/EmitX86.h"
#include "lowering/fuse/Passes.h"
#include "lowering/kernels/Passes.h"
#include "lowering/kernels/TargetTraits.h"
#include "lowering/plan/Passes.h"
#include "lowering/simplify/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

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

/// The phases of one target, from simplify on.
static LogicalResult runTarget(ModuleOp module, const CompileTarget &target, const PipelineOptions &options, PhaseDump &dump, TargetProgram &program, PipelineResult &result) {
  auto addTime = [&](const char *name, double seconds) { // of several targets, or tried again for the budget
    auto time = llvm::find_if(result.times, [&](const PhaseTime &t) { return t.name == name; });
    if (time == result.times.end())
      result.times.push_back({name, seconds});
    else
      time->seconds += seconds;
  };
  auto runPhase = [&](const Phase &phase) {
    double start = now();
    PassManager passes(module.getContext(), ModuleOp::getOperationName());
    phase.build(passes);
    if (!options.reproducer.empty())
      passes.enableCrashReproducerGeneration(options.reproducer);
    if (failed(passes.run(module)))
      return failure();
    addTime(phase.name, now() - start);
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
  if (failed(target.cuda ? emitNvvm(module, *target.cuda, program.code, &result.emitted) : emitX86(module, target.x86, program.code, &result.emitted)))
    return failure();
  addTime("emit", now() - start);
  dump.write("emit", module);
  return success();
}

LogicalResult runPipeline(OwningOpRef<ModuleOp> module, const PipelineOptions &options, PipelineResult &result) {
  PhaseDump dump(options.dumpFolder);
  dump.write("import", *module);
  for (const CompileTarget &target : options.targets) {
    const bool last = &target == &options.targets.back();
    OwningOpRef<ModuleOp> own = last ? std::move(module) : OwningOpRef<ModuleOp>(module->clone());
    if (target.cuda)
      (*own)->setAttr(kTargetAttribute, StringAttr::get(own->getContext(), target.name));
    TargetProgram program{target.name, std::move(own), {}};
    if (options.stopAfter != "import") {
      dump.begin(options.targets.size() > 1 ? target.name : "");
      if (failed(runTarget(*program.module, target, options, dump, program, result)))
        return failure();
    }
    result.targets.push_back(std::move(program));
  }
  return success();
}

} // namespace hb
