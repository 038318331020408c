#include "lowering/Pipeline.h"

#include "dialects/grad/Grad.h"
#include "lowering/Dump.h"
#include "lowering/differentiate/Passes.h"
#include "lowering/fuse/Passes.h"
#include "lowering/kernels/Passes.h"
#include "lowering/plan/Passes.h"
#include "lowering/simplify/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

#include <chrono>

using namespace mlir;

namespace hb {
namespace {

/// Gradients, then what the joint graph has in common and what can be fused in it. Forward programs have nothing to do here.
void buildDifferentiate(OpPassManager &passes) {
  buildDifferentiatePhase(passes);
  buildSimplifyPhase(passes);
  buildFusePhase(passes);
}

/// A phase that is a list of passes; `needed` says which modules it is skipped for.
struct Phase {
  const char *name;
  void (*build)(OpPassManager &);
  bool (*needed)(ModuleOp) = [](ModuleOp) { return true; };
};

bool asksForGradients(ModuleOp module) {
  return module.walk([](Operation *op) { return isa<grad::GradDialect>(op->getDialect()) ? WalkResult::interrupt() : WalkResult::advance(); }).wasInterrupted();
}

constexpr Phase kPhases[] = {
    {"simplify", buildSimplifyPhase}, {"fuse", buildFusePhase}, {"differentiate", buildDifferentiate, asksForGradients}, {"kernels", buildKernelsPhase}, {"plan", buildPlanPhase},
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

} // namespace

const std::vector<std::string> &phaseNames() {
  static const std::vector<std::string> names = {"import", "simplify", "fuse", "differentiate", "kernels", "plan", "emit", "package"};
  return names;
}

void registerPhases() {
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
  for (const Phase &phase : kPhases) {
    double start = now();
    PassManager passes(module.getContext(), ModuleOp::getOperationName());
    if (phase.needed(module))
      phase.build(passes);
    if (!options.reproducer.empty())
      passes.enableCrashReproducerGeneration(options.reproducer);
    if (failed(passes.run(module)))
      return failure();
    result.times.push_back({phase.name, now() - start});
    dump.write(phase.name, module);
    if (options.stopAfter == phase.name)
      return success();
  }
  double start = now();
  if (failed(emitX86(module, options.targets, result.code, &result.emitted)))
    return failure();
  result.times.push_back({"emit", now() - start});
  dump.write("emit", module);
  return success();
}

} // namespace hb
