#include "tools/hb-rt/AdapterFlags.h"

#include "runtime/exec/SessionAdapters.h"

#include <cstdio>

namespace hb::rt {

void bindAdapters(Session &session, const std::vector<std::string> &arguments) {
  for (const std::string &warning : hb::bindAdapters(session, arguments))
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
}

} // namespace hb::rt
