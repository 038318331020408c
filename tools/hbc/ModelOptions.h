// The options that say which model and which sizes: shared by compile, check and graph.
#pragma once

#include "frontend/Frontend.h"

#include <CLI/CLI.hpp>

#include <memory>

namespace hb::tool {

/// Texts as given on the command line, and what they mean.
struct ModelOptions {
  ImportOptions import;
  std::vector<std::string> dims, targets, rewards;
  std::string truncation;

  void add(CLI::App &command);
  /// Parses the texts into `import`. HB0700 for a malformed one.
  void finish();
};

/// Prints what the sink holds on stderr and returns its exit code.
int reportAll(const DiagnosticSink &sink);

} // namespace hb::tool
