#include "lowering/emit/nvvm/EmitNvvm.h"

#include "lowering/emit/KernelJobs.h"
#include "lowering/emit/gpu/Families.h"
#include "lowering/emit/nvvm/Compile.h"
#include "lowering/emit/nvvm/NvvmBuilder.h"
#include "mlir/IR/Verifier.h"

#include <chrono>

using namespace mlir;
using namespace hb::nvvm;

namespace hb {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// One kernel: its text in (contexts are not shared between threads), PTX and launch out.
struct Job {
  std::string text, ptx, family, error; ///< error: empty when it worked
  gpu::Launch launch;
  CompileTimes times;
};

void runJob(Job &job, const CudaTarget &target, MLIRContext &context) {
  double start = now();
  emit::KernelSource source(context, job.text, job.error);
  if (!source)
    return;
  auto fail = [&](const std::string &why) { source.fail(why); };
  kernel::DefOp def = source.def;
  Operation &op = source.op();
  job.family = op.getName().stripDialect().str();
  gpu::EmitFamily emit = gpu::findFamily(op.getName().getStringRef());
  if (!emit)
    return fail("the CUDA emitter has no family for " + op.getName().getStringRef().str());
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  NvvmBuilder kb(*module, def, target);
  FailureOr<gpu::Launch> launch = emit(kb, &op);
  if (failed(launch))
    return fail("the CUDA emitter failed");
  job.launch = *launch;
  job.launch.sharedBytes = kb.sharedBytes();
  kb.finish(job.launch);
#ifndef NDEBUG
  if (failed(verify(*module)))
    return fail("the emitted kernel is not valid");
#endif
  job.times.build = now() - start;
  std::string error;
  if (!compileToPtx(*module, target, job.ptx, error, job.times))
    return fail(error);
  job.error.clear(); // only warnings came
}

} // namespace

LogicalResult emitNvvm(ModuleOp module, const CudaTarget &target, std::vector<CodeBlob> &blobs, EmitReport *report) {
  double start = now();
  SmallVector<kernel::DefOp> defs(module.getOps<kernel::DefOp>());
  std::vector<std::string> kernels = emit::kernelTexts(defs);
  std::vector<Job> jobs(defs.size());
  for (auto [text, job] : llvm::zip_equal(kernels, jobs))
    job.text = std::move(text);
  emit::forEachJob(jobs.size(), prepareContext, [&](size_t job, MLIRContext &context) { runJob(jobs[job], target, context); });

  bool ok = true;
  std::vector<std::string> texts;
  Builder b(module.getContext());
  for (auto [def, job] : llvm::zip_equal(defs, jobs)) {
    if (!job.error.empty()) {
      def.emitError() << "kernel " << def.getSymName() << " for " << target.arch() << ": " << job.error;
      ok = false;
      continue;
    }
    def->setAttr("grid", b.getI64IntegerAttr(job.launch.grid));
    def->setAttr("block", b.getI64IntegerAttr(job.launch.block));
    def->setAttr("shared_bytes", b.getI64IntegerAttr(job.launch.sharedBytes));
    def->setAttr("scratch_bytes", b.getI64IntegerAttr(0));
    if (report)
      report->kernels.push_back({def.getSymName().str(), job.family, target.arch(), job.times, job.ptx.size()});
    texts.push_back(std::move(job.ptx));
  }
  if (!ok)
    return failure();
  std::string ptx, error;
  if (!joinPtx(texts, ptx, error))
    return module.emitError() << error;
  blobs.push_back({target.name(), "ptx", {}, std::vector<char>(ptx.begin(), ptx.end())});
  if (report)
    report->wallSeconds += now() - start;
  return success();
}

} // namespace hb
