// hb-rt run: one entry of a module on the tensors of a file.
#include "runtime/base/Error.h"
#include "runtime/exec/Session.h"
#include "tools/hb-rt/AdapterFlags.h"
#include "tools/hb-rt/Commands.h"
#include "tools/hb-rt/Profile.h"
#include "tools/hb-rt/SessionFlags.h"

#include <memory>

namespace hb::rt {
namespace {

struct RunOptions {
  std::string module, entry, inputs, outputs, profile;
  std::vector<std::string> adapters;
  SessionOptions session;
};

int run(const RunOptions &options) {
  Module header = Module::open(options.module, chooseAnyTarget);
  const Program &described = header.entry(options.entry);
  // Inputs are checked before the checkpoint is opened or anything is packed.
  SafetensorsFile file = SafetensorsFile::open(options.inputs);
  ProgramTensors tensors(described);
  tensors.load(file);
  Session session(options.module, options.session);
  bindAdapters(session, options.adapters);
  Executor &executor = session.executor(options.entry);
  executor.profile(!options.profile.empty());
  tensors.allocateOutputs();
  tensors.bind(executor);
  executor.run();
  if (!options.profile.empty())
    writeProfile(session.module(), executor, options.profile);
  writeSafetensors(options.outputs, tensors.outputs());
  return 0;
}

} // namespace

Action addRun(CLI::App &app) {
  auto options = std::make_shared<RunOptions>();
  CLI::App *sub = app.add_subcommand("run", "run one entry of a module on the tensors of a safetensors file");
  sub->add_option("module", options->module, "the module (.hbm)")->required();
  sub->add_option("entry", options->entry, "the entry, e.g. unet")->required();
  sub->add_option("--inputs", options->inputs, "safetensors file with every input of the entry")->required();
  sub->add_option("--outputs", options->outputs, "safetensors file to write")->required();
  sub->add_option("--adapter", options->adapters, "LoRA adapter, PATH[:SCALE]; repeatable")->take_all();
  addSessionFlags(*sub, options->session);
  sub->add_option("--profile", options->profile, "write the time of every launch as a Chrome trace");
  return [options] { return run(*options); };
}

} // namespace hb::rt
