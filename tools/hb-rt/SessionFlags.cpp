#include "tools/hb-rt/SessionFlags.h"

#include <cstdio>

namespace hb::rt {

void addSessionFlags(CLI::App &sub, SessionOptions &session) {
  session.cache.enabled = true;
  session.cache.warn = [](const std::string &text) { std::fprintf(stderr, "warning: %s\n", text.c_str()); };
  sub.add_option("--weights", session.weights, "where the checkpoint lies now (default: where it was compiled)");
  sub.add_option("--device", session.device, "cpu, cuda, cuda:N or cuda:sim (see hb-rt devices)")->capture_default_str()->each([](const std::string &name) { requireDeviceName(name); });
  sub.add_option("--threads", session.threads, "threads (default: all processors)")->check(CLI::PositiveNumber);
  sub.add_option("--cache-dir", session.cache.directory, "where packed weights of large networks are kept (default: $XDG_CACHE_HOME/hummingbird or ~/.cache/hummingbird)");
  sub.add_flag_callback("--no-cache", [&session] { session.cache.enabled = false; }, "pack the weights anew and keep nothing");
  sub.add_option("--cache-limit", session.cache.limitBytes, "most that the cache may hold, e.g. 20GiB; files not used longest go first")->transform(CLI::AsSizeValue(false));
}

} // namespace hb::rt
