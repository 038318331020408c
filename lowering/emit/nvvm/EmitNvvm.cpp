#include "lowering/emit/nvvm/EmitNvvm.h"

#include "lowering/emit/gpu/Families.h"
#include "lowering/emit/nvvm/Compile.h"
#include "lowering/emit/nvvm/NvvmBuilder.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

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
  // Diagnostics of this context become the job's error: the main thread reports them at the kernel's own location.
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    job.error += (job.error.empty() ? "" : "; ") + diagnostic.str();
    return success();
  });
  auto fail = [&](const std::string &why) {
    if (job.error.empty())
      job.error = why;
  };
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(job.text, ParserConfig(&context));
  if (!source || source->getOps<kernel::DefOp>().empty())
    return fail("cannot read the kernel back");
  kernel::DefOp def = *source->getOps<kernel::DefOp>().begin();
  Operation &op = def.getBody().front().front();
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
  std::vector<Job> jobs(defs.size());
  for (auto [def, job] : llvm::zip_equal(defs, jobs)) {
    llvm::raw_string_ostream stream(job.text);
    def->print(stream, OpPrintingFlags().useLocalScope());
  }
  std::atomic<size_t> next{0};
  auto work = [&] {
    MLIRContext context;
    prepareContext(context);
    context.getOrLoadDialect<kernel::KernelDialect>();
    for (size_t j; (j = next++) < jobs.size();)
      runJob(jobs[j], target, context);
  };
  std::vector<std::thread> threads;
  try {
    for (size_t t = 1; t < std::min<size_t>(2, jobs.size()); ++t)
      threads.emplace_back(work);
  } catch (const std::system_error &) { // no room for another stack: this thread does it alone
  }
  work();
  for (std::thread &thread : threads)
    thread.join();

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
