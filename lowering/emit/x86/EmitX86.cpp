#include "lowering/emit/x86/EmitX86.h"

#include "lowering/emit/x86/Executed.h"
#include "lowering/emit/x86/Families.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <system_error>
#include <thread>

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
  // Diagnostics of this context become the job's error: the main thread reports them at the kernel's own location.
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    job.error += (job.error.empty() ? "" : "; ") + diagnostic.str();
    return success();
  });
  auto fail = [&](const std::string &why) {
    if (job.error.empty())
      job.error = why;
  };
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(*job.text, ParserConfig(&context));
  if (!source)
    return fail("cannot read the kernel back");
  auto defs = source->getOps<kernel::DefOp>();
  if (defs.empty())
    return fail("no kernel.def");
  kernel::DefOp def = *defs.begin();
  Operation &op = def.getBody().front().front();
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
  std::vector<std::string> texts(defs.size());
  for (auto [def, text] : llvm::zip_equal(defs, texts)) {
    llvm::raw_string_ostream stream(text);
    def->print(stream, OpPrintingFlags().useLocalScope());
  }
  std::vector<Job> jobs(defs.size() * targets.size());
  for (size_t t = 0; t < targets.size(); ++t)
    for (size_t k = 0; k < defs.size(); ++k) {
      jobs[t * defs.size() + k].text = &texts[k];
      jobs[t * defs.size() + k].target = &targets[t];
    }

  std::atomic<size_t> next{0};
  auto work = [&] {
    MLIRContext context;
    prepareContext(context);
    context.getOrLoadDialect<kernel::KernelDialect>();
    for (size_t j; (j = next++) < jobs.size();)
      runJob(jobs[j], context);
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
