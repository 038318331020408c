// What run and bench share: device names and the trace of launches.
#pragma once

#include "runtime/exec/Session.h"

#include <string>

namespace hb::rt {

/// Only "cpu" exists in this build. HB0904 otherwise: nothing falls back to another device.
void requireDevice(const std::string &device);

/// Writes the launches of the last runs in program order as a Chrome trace (chrome://tracing, Perfetto). Atomic; HB0901.
void writeProfile(const Module &module, const Executor &executor, const std::string &path);

} // namespace hb::rt
