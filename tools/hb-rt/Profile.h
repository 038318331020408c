// The trace of launches that `run --profile` writes.
#pragma once

#include "runtime/exec/Session.h"

#include <string>

namespace hb::rt {

/// Writes the launches of the last runs in program order as a Chrome trace (chrome://tracing, Perfetto). Atomic; HB0901.
void writeProfile(const Module &module, const Executor &executor, const std::string &path);

} // namespace hb::rt
