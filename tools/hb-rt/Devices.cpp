// hb-rt devices: what modules can run on here.
#include "runtime/device/OpenDevice.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "tools/hb-rt/Commands.h"

#include <cstdio>

namespace hb::rt {
namespace {

void printCpu(const DeviceInfo &info) {
  std::printf("%-9s %s, %d processors", info.name.c_str(), info.description.c_str(), availableProcessors());
  for (const char *feature : {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512bf16", "avx512fp16"})
    if (cpuHasFeature(feature))
      std::printf(" %s", feature);
  std::printf("\n");
}

void printCuda(const ListedDevice &device) {
  const DeviceInfo &info = device.info;
  if (!device.note.empty())
    std::printf("%-9s not usable: %s\n", info.name.c_str(), device.note.c_str());
  else
    std::printf("%-9s %s, %.1f GiB, compute capability %d.%d, driver for CUDA %d.%d\n", info.name.c_str(), info.description.c_str(), static_cast<double>(info.memoryBytes) / (1ull << 30),
                info.capability / 10, info.capability % 10, info.driver / 1000, info.driver % 1000 / 10);
}

} // namespace

Action addDevices(CLI::App &app) {
  app.add_subcommand("devices", "list the devices of this machine");
  return [] {
    for (const ListedDevice &device : listDevices())
      device.info.name == "cpu" ? printCpu(device.info) : printCuda(device);
    return 0;
  };
}

} // namespace hb::rt
