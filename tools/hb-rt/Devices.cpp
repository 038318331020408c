// hb-rt devices: what modules can run on here.
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "tools/hb-rt/Commands.h"

#include <cstdio>

namespace hb::rt {

Action addDevices(CLI::App &app) {
  app.add_subcommand("devices", "list the devices of this machine");
  return [] {
    std::printf("cpu    %s, %d processors", cpuModelName().c_str(), availableProcessors());
    for (const char *feature : {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512bf16", "avx512fp16"})
      if (cpuHasFeature(feature))
        std::printf(" %s", feature);
    std::printf("\n");
    return 0;
  };
}

} // namespace hb::rt
