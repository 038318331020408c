// The options of every command that opens a module: device, weights, threads, the pack cache.
#pragma once

#include "runtime/exec/Session.h"

#include <CLI/CLI.hpp>

namespace hb::rt {

/// --device, --weights, --threads, --cache-dir, --no-cache, --cache-limit. The cache is on; its warnings go to stderr.
void addSessionFlags(CLI::App &sub, SessionOptions &session);

} // namespace hb::rt
