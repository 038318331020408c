#include "tools/hb-rt/Profile.h"

#include "runtime/base/AtomicFile.h"

#include <nlohmann/json.hpp>

namespace hb::rt {

void writeProfile(const Module &module, const Executor &executor, const std::string &path) {
  nlohmann::json events = nlohmann::json::array();
  double at = 0;
  for (const LaunchTime &time : executor.launchTimes()) {
    const KernelInfo &kernel = module.kernels[time.kernel];
    events.push_back({{"name", kernel.symbol}, {"cat", kernel.family}, {"ph", "X"}, {"pid", 1}, {"tid", 1}, {"ts", at * 1e6}, {"dur", time.seconds * 1e6},
                      {"args", {{"count", time.count}, {"source", kernel.source}, {"flops", kernel.flops}, {"flops_executed", kernel.flopsExecuted}, {"bytes", kernel.bytes}}}});
    at += time.seconds;
  }
  writeFileAtomically(path, nlohmann::json{{"traceEvents", events}}.dump());
}

} // namespace hb::rt
