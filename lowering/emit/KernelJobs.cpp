#include "lowering/emit/KernelJobs.h"

#include "mlir/Parser/Parser.h"

#include <atomic>
#include <system_error>
#include <thread>

using namespace mlir;

namespace hb::emit {

std::vector<std::string> kernelTexts(ArrayRef<kernel::DefOp> defs) {
  std::vector<std::string> texts(defs.size());
  for (auto [def, text] : llvm::zip_equal(defs, texts)) {
    llvm::raw_string_ostream stream(text);
    kernel::DefOp(def)->print(stream, OpPrintingFlags().useLocalScope());
  }
  return texts;
}

void forEachJob(size_t count, const std::function<void(MLIRContext &)> &prepare, const std::function<void(size_t, MLIRContext &)> &run) {
  std::atomic<size_t> next{0};
  auto work = [&] {
    MLIRContext context;
    prepare(context);
    context.getOrLoadDialect<kernel::KernelDialect>();
    for (size_t job; (job = next++) < count;)
      run(job, context);
  };
  std::vector<std::thread> threads;
  try {
    for (size_t t = 1; t < std::min<size_t>(2, count); ++t)
      threads.emplace_back(work);
  } catch (const std::system_error &) { // no room for another stack: this thread does it alone
  }
  work();
  for (std::thread &thread : threads)
    thread.join();
}

KernelSource::KernelSource(MLIRContext &context, const std::string &text, std::string &error)
    : error_(error), handler_(&context, [&error](Diagnostic &diagnostic) {
        error += (error.empty() ? "" : "; ") + diagnostic.str();
        return success();
      }) {
  source_ = parseSourceString<ModuleOp>(text, ParserConfig(&context));
  if (source_ && !source_->getOps<kernel::DefOp>().empty())
    def = *source_->getOps<kernel::DefOp>().begin();
  else
    fail("cannot read the kernel back");
}

void KernelSource::fail(const std::string &why) {
  if (error_.empty())
    error_ = why;
}

} // namespace hb::emit
