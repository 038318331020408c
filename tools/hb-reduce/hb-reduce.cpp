// hb-reduce: makes a module that shows a bug as small as it can be while it still shows it.
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "tools/hb-reduce/Reducer.h"

#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"

#include <CLI/CLI.hpp>

namespace {

struct Options {
  std::string input, output;
  std::vector<std::string> command;
  unsigned timeout = 60;
  bool noVerify = false, quiet = false;
};

int reduceFile(const Options &options) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  registry.insert<hb::grad::GradDialect, hb::nn::NnDialect, hb::kernel::KernelDialect, hb::plan::PlanDialect>();
  mlir::MLIRContext context(registry);
  context.allowUnregisteredDialects();
  mlir::ParserConfig config(&context, !options.noVerify);
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceFile<mlir::ModuleOp>(options.input, config);
  if (!module)
    throw hb::Error(740, options.input, "a module that can be read", "the errors above", options.noVerify ? "" : "use --no-verify for a bug in a verifier");
  hb::reduce::InterestingnessTest test(options.command, options.timeout);
  if (!test(*module))
    throw hb::Error(742, options.input, "a command that exits 0 for the input", "another exit code", "run the command by hand; 0 means that the bug is there");
  hb::reduce::ReducerOptions reducer{!options.noVerify, {}};
  if (!options.quiet)
    reducer.log = [](const std::string &line) { llvm::errs() << line << "\n"; };
  module = hb::reduce::reduceModule(std::move(module), test, reducer);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, mlir::OpPrintingFlags().useLocalScope());
  text += "\n";
  if (options.output.empty())
    llvm::outs() << text;
  else
    hb::writeFileAtomically(options.output, text);
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app{"Shrinks a module while a command finds it interesting.\nExample: hb-reduce bug.mlir -o small.mlir -- sh -c '! hb-opt {} -nn-simplify'", "hb-reduce"};
  app.add_option("input", options.input, "the module, MLIR text or bytecode")->required();
  app.add_option("-o,--output", options.output, "the reduced module (default: stdout)");
  app.add_option("--timeout", options.timeout, "seconds a run of the command may take")->capture_default_str();
  app.add_flag("--no-verify", options.noVerify, "also try modules that do not verify, for bugs in verifiers");
  app.add_flag("--quiet", options.quiet, "no progress");
  app.add_option("command", options.command, "after --: the command, which exits 0 while the bug is there; {} stands for the file (else it is appended)")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(hb::ExitCode::Usage);
  }
  try {
    return reduceFile(options);
  } catch (const hb::Error &error) {
    llvm::errs() << error.what() << "\n";
    return static_cast<int>(error.exitCode());
  }
}
