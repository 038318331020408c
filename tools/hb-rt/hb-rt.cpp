// hb-rt: runs what hbc compiled. One file per subcommand; this one only dispatches.
#include "runtime/base/Error.h"
#include "runtime/base/Process.h"
#include "tools/hb-rt/Commands.h"

#include <cstdio>
#include <vector>

int main(int argc, char **argv) {
  hb::handleFileSignals();
  hb::exitWhenOutOfMemory("hb-rt");
  CLI::App app{"Runs modules compiled by hbc: networks, generation, benchmarks.", "hb-rt"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "hb-rt 0.1.0");
  struct Command {
    hb::rt::Action (*add)(CLI::App &);
    hb::rt::Action action;
  };
  std::vector<Command> commands;
  for (auto add : {hb::rt::addGenerate, hb::rt::addRun, hb::rt::addInspect, hb::rt::addBench, hb::rt::addCheckGrad, hb::rt::addScore, hb::rt::addTrain, hb::rt::addManifest, hb::rt::addCaption, hb::rt::addDevices, hb::rt::addConvertLora, hb::rt::addMergeLora})
    commands.push_back({add, {}});
  std::vector<CLI::App *> parsers;
  for (Command &command : commands) {
    command.action = command.add(app);
    parsers.push_back(app.get_subcommands([](const CLI::App *) { return true; }).back());
  }
  try {
    app.parse(argc, argv);
    for (size_t i = 0; i < commands.size(); ++i)
      if (parsers[i]->parsed())
        return commands[i].action();
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(hb::ExitCode::Usage);
  } catch (const hb::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.exitCode());
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error HB0999: internal error: %s\n", error.what());
  }
  return static_cast<int>(hb::ExitCode::Internal);
}
