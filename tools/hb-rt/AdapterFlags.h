// --adapter PATH[:SCALE] and --lora PATH[:SCALE].
#pragma once

#include "runtime/exec/Session.h"

#include <string>
#include <vector>

namespace hb::rt {

/// Loads adapters and puts their factors, stacked along the rank, into the module's slots. Warnings go to stderr.
/// HB0301 – HB0316 for the files, HB0507 when the module has no slots.
void bindAdapters(Session &session, const std::vector<std::string> &arguments);

} // namespace hb::rt
