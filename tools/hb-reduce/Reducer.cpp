#include "tools/hb-reduce/Reducer.h"

#include "runtime/base/Error.h"
#include "tools/hb-reduce/Reductions.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <array>

using namespace mlir;

namespace hb::reduce {
namespace {

/// False, silently, for what the verifier refuses.
bool verifies(ModuleOp module) {
  ScopedDiagnosticHandler quiet(module.getContext(), [](Diagnostic &) { return success(); });
  return succeeded(verify(module));
}

/// What every reduction must make smaller, compared from the left, so that the search ends: ops that are no constants; all ops;
/// arguments, results and attributes.
std::array<size_t, 3> sizeOf(ModuleOp module) {
  std::array<size_t, 3> size{0, 0, module->getDiscardableAttrDictionary().size()};
  module.walk([&](Operation *op) {
    size[0] += !op->hasTrait<OpTrait::ConstantLike>();
    ++size[1];
    if (auto function = dyn_cast<FunctionOpInterface>(op))
      size[2] += function.getNumArguments() + function.getNumResults();
  });
  return size;
}

} // namespace

InterestingnessTest::InterestingnessTest(std::vector<std::string> command, unsigned timeoutSeconds) : command_(std::move(command)), timeoutSeconds_(timeoutSeconds) {
  bool placed = false;
  for (const std::string &argument : command_)
    placed |= argument.find("{}") != std::string::npos;
  if (!placed)
    command_.push_back("{}");
  auto found = llvm::sys::findProgramByName(command_[0]);
  if (!found)
    throw Error(741, command_[0], "a program that can be run", found.getError().message(), "give its path or put it into PATH");
  program_ = *found;
}

bool InterestingnessTest::operator()(ModuleOp module) {
  ++runs_;
  int descriptor = -1;
  llvm::SmallString<128> path;
  if (auto error = llvm::sys::fs::createTemporaryFile("hb-reduce", "mlir", descriptor, path))
    throw Error(901, "temporary folder", "a file that can be written", error.message(), "free space or set TMPDIR");
  llvm::FileRemover remove(path);
  {
    llvm::raw_fd_ostream out(descriptor, true);
    module->print(out, OpPrintingFlags().useLocalScope());
  }
  std::vector<std::string> arguments = command_;
  std::vector<llvm::StringRef> views;
  for (std::string &argument : arguments) {
    for (size_t at; (at = argument.find("{}")) != std::string::npos;)
      argument.replace(at, 2, path.str().str());
    views.push_back(argument);
  }
  std::string message;
  bool failedToStart = false;
  // The command's own output is of no interest: it runs hundreds of times.
  int status = llvm::sys::ExecuteAndWait(program_, views, std::nullopt, {llvm::StringRef(""), llvm::StringRef(""), llvm::StringRef("")}, timeoutSeconds_, 0, &message, &failedToStart);
  if (failedToStart)
    throw Error(741, program_, "a program that can be run", message, "give its path or put it into PATH");
  return status == 0;
}

OwningOpRef<ModuleOp> reduceModule(OwningOpRef<ModuleOp> module, InterestingnessTest &test, const ReducerOptions &options) {
  auto attempt = [&](const Reduction &reduction, size_t begin, size_t end) {
    OwningOpRef<ModuleOp> candidate(module->clone());
    reduction.apply(*candidate, begin, end);
    if (sizeOf(*candidate) >= sizeOf(*module))
      return false;
    if ((options.verify && !verifies(*candidate)) || !test(*candidate))
      return false;
    module = std::move(candidate);
    if (options.log)
      options.log(std::string(reduction.name) + ": " + std::to_string(sizeOf(*module)[1]) + " ops left after " + std::to_string(test.runs()) + " runs");
    return true;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (const Reduction &reduction : reductions()) {
      for (size_t step = reduction.count(*module); step > 0; step /= 2) {
        // From the end: what comes last uses what comes first, and goes more easily. A success renumbers what follows only.
        size_t end = reduction.count(*module);
        while (end > 0) {
          size_t begin = end > step ? end - step : 0;
          changed |= attempt(reduction, begin, end);
          end = std::min(begin, reduction.count(*module));
        }
      }
    }
  }
  return module;
}

} // namespace hb::reduce
