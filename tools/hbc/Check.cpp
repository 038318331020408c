// hbc check: programs without a checkpoint, or a model without writing anything.
#include "tools/hbc/Commands.h"
#include "tools/hbc/ModelOptions.h"

#include "frontend/NameCheck.h"
#include "runtime/base/MappedFile.h"

#include "mlir/IR/MLIRContext.h"

#include <iostream>

namespace hb::tool {
namespace {

/// A program alone: syntax, imports, names. With a config (or a folder), everything that compile checks before lowering.
int checkOne(const std::string &path, const ImportOptions &shared) {
  DiagnosticSink sink;
  bool program = path.ends_with(".hb");
  if (program) {
    ProgramFiles files(sink);
    checkNames(*files.open(path), files, builtinNames(), sink);
  }
  if (!sink.hasErrors() && (!program || !shared.configPath.empty() || !shared.weightsDir.empty())) {
    ImportOptions options = shared;
    options.model = path;
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    importModel(context, options, sink);
  }
  return sink.hasErrors() ? reportAll(sink) : 0;
}

} // namespace

void addCheck(CLI::App &app, Action &action) {
  struct Options {
    ModelOptions model;
    std::vector<std::string> files;
  };
  CLI::App *command = app.add_subcommand("check", "check programs or models without compiling them");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->files, ".hb files, or folders of models")->required();
  options->model.add(*command);
  command->callback([options, &action] {
    action = [options] {
      options->model.finish();
      int code = 0;
      for (const std::string &file : options->files)
        if (int one = checkOne(file, options->model.import); one && !code)
          code = one;
      return code;
    };
  });
}

} // namespace hb::tool
