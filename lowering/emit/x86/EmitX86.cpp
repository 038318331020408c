#include "lowering/emit/x86/EmitX86.h"

#include "lowering/emit/KernelJobs.h"
#include "lowering/emit/x86/Executed.h"
#include "lowering/emit/x86/Families.h"
#include "mlir/IR/Verifier.h"

#include <chrono>
#include <optional>

using namespace mlir;
using namespace hb::x86;

namespace hb {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// One kernel for one variant: its text in (contexts are not shared between threads), code and launch out.
struct Job {
  const std::string *text = nullptr;
  const X86Target *target = nullptr;
  std::vector<char> object;
  Launch launch;
  std::string error; ///< empty when it worked
  std::string family;
  CompileTimes times;
};

void runJob(Job &job, MLIRContext &context) {
  double start = now();
  emit::KernelSource source(context, *job.text, job.error);
  if (!source)
    return;
  auto fail = [&](const std::string &why) { source.fail(why); };
  kernel::DefOp def = source.def;
  Operation &op = source.op();
  job.family = op.getName().stripDialect().str();
  EmitFamily emit = findFamily(op.getName().getStringRef());
  if (!emit)
    return fail("the x86-64 emitter has no family for " + op.getName().getStringRef().str());
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  KernelBuilder kb(*module, def, *job.target);
  FailureOr<Launch> launch = emit(kb, &op);
  if (failed(launch))
    return fail("the x86-64 emitter failed");
  kb.finish();
  job.launch = *launch;
#ifndef NDEBUG
  if (failed(verify(*module)))
    return fail("the emitted kernel is not valid");
#endif
  job.times.build = now() - start;
  std::string error;
  if (!compileToObject(*module, *job.target, job.object, error, job.times))
    return fail(error);
  job.error.clear(); // only warnings came
}

} // namespace

LogicalResult emitX86(ModuleOp module, ArrayRef<X86Target> targets, std::vector<CodeBlob> &blobs, EmitReport *report) {
  double start = now();
  SmallVector<kernel::DefOp> defs(module.getOps<kernel::DefOp>());
  const std::vector<std::string> texts = emit::kernelTexts(defs);
  std::vector<Job> jobs(defs.size() * targets.size());
  for (size_t t = 0; t < targets.size(); ++t)
    for (size_t k = 0; k < defs.size(); ++k) {
      jobs[t * defs.size() + k].text = &texts[k];
      jobs[t * defs.size() + k].target = &targets[t];
    }
  emit::forEachJob(jobs.size(), prepareContext, [&](size_t job, MLIRContext &context) { runJob(jobs[job], context); });

  bool ok = true;
  for (size_t k = 0; k < defs.size(); ++k) {
    std::optional<Launch> launch;
    for (size_t t = 0; t < targets.size(); ++t) {
      Job &job = jobs[t * defs.size() + k];
      if (!job.error.empty()) {
        defs[k].emitError() << "kernel " << defs[k].getSymName() << " for " << job.target->cpu << ": " << job.error;
        ok = false;
        continue;
      }
      if (launch && launch->grid != job.launch.grid) {
        defs[k].emitError() << "kernel " << defs[k].getSymName() << ": variants differ in their grid (" << launch->grid << ", " << job.launch.grid << ")";
        ok = false;
      }
      int64_t scratch = launch ? std::max(launch->scratchBytes, job.launch.scratchBytes) : job.launch.scratchBytes;
      launch = Launch{job.launch.grid, scratch};
    }
    if (launch) {
      Builder b(module.getContext());
      defs[k]->setAttr("grid", b.getI64IntegerAttr(launch->grid));
      defs[k]->setAttr("scratch_bytes", b.getI64IntegerAttr(launch->scratchBytes));
    }
  }
  if (!ok)
    return failure();
  countExecuted(module, targets);

  for (size_t t = 0; t < targets.size(); ++t) {
    std::vector<std::vector<char>> objects;
    for (size_t k = 0; k < defs.size(); ++k) {
      Job &job = jobs[t * defs.size() + k];
      if (report)
        report->kernels.push_back({defs[k].getSymName().str(), job.family, targets[t].cpu, job.times, job.object.size()});
      objects.push_back(std::move(job.object));
    }
    CodeBlob blob{"x86-64", targets[t].cpu, targets[t].features, {}};
    std::string error;
    double linkStart = now();
    if (!linkShared(objects, blob.object, error))
      return module.emitError() << error;
    if (report)
      report->linkSeconds += now() - linkStart;
    blobs.push_back(std::move(blob));
  }
  if (report)
    report->wallSeconds += now() - start;
  return success();
}

} // namespace hb
