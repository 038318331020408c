// The subcommands of hb-rt: each adds itself to the command line and returns what to do when it was chosen.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>

namespace hb::rt {

/// Runs the chosen command and returns the exit code; errors are thrown as hb::Error.
using Action = std::function<int()>;

Action addRun(CLI::App &app);
Action addGenerate(CLI::App &app);
Action addInspect(CLI::App &app);
Action addBench(CLI::App &app);
Action addCheckGrad(CLI::App &app);
Action addDevices(CLI::App &app);
Action addConvertLora(CLI::App &app);
Action addMergeLora(CLI::App &app);
Action addScore(CLI::App &app);
Action addTrain(CLI::App &app);
Action addManifest(CLI::App &app);
Action addCaption(CLI::App &app);

} // namespace hb::rt
