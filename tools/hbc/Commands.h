// The subcommands of hbc: each adds itself to the command line and says what to run.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>

namespace hb::tool {

/// Set by the subcommand that was chosen; returns the exit code.
using Action = std::function<int()>;

void addCompile(CLI::App &app, Action &action);
void addCheck(CLI::App &app, Action &action);
void addEval(CLI::App &app, Action &action);
void addFmt(CLI::App &app, Action &action);
void addGraph(CLI::App &app, Action &action);
void addPlan(CLI::App &app, Action &action);

/// Prints the page of an error number (`HB0123` or `123`); 2 when there is none.
int explain(const std::string &number);

} // namespace hb::tool
