// Adapter arguments of the command line and the C API, bound to a session.
#pragma once

#include "runtime/exec/Session.h"

#include <string>
#include <vector>

namespace hb {

/// Loads adapters ("PATH[:SCALE]") and puts their factors, stacked along the rank, into the module's slots, in place of those
/// bound before. Returns warnings, complete sentences. HB0301 – HB0316 for the files, HB0507 and HB0509 for the module.
std::vector<std::string> bindAdapters(Session &session, const std::vector<std::string> &arguments);

} // namespace hb
