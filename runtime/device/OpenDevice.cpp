#include "runtime/device/OpenDevice.h"

#include "runtime/base/Error.h"
#include "runtime/base/Suggestion.h"
#include "runtime/base/Text.h"
#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/device/cuda/CudaDevice.h"
#include "runtime/device/cuda/SimDriver.h"

#include <charconv>
#include <optional>

namespace hb {
namespace {

enum class Kind { Cpu, Cuda, CudaSim };
struct ParsedName {
  Kind kind = Kind::Cpu;
  int ordinal = 0;
};

/// Words people use for what has another name here.
constexpr std::pair<const char *, const char *> kOtherWords[] = {{"gpu", "cuda"}, {"nvidia", "cuda"}, {"host", "cpu"}, {"x86-64", "cpu"}, {"x86", "cpu"}, {"sim", "cuda:sim"}, {"simulator", "cuda:sim"}};

ParsedName parseName(const std::string &name) {
  if (name == "cpu")
    return {Kind::Cpu, 0};
  if (name == "cuda")
    return {Kind::Cuda, 0};
  if (name == "cuda:sim")
    return {Kind::CudaSim, 0};
  if (name.starts_with("cuda:")) {
    ParsedName parsed{Kind::Cuda, 0};
    const char *end = name.data() + name.size();
    auto [stop, failure] = std::from_chars(name.data() + 5, end, parsed.ordinal);
    if (failure == std::errc() && stop == end && parsed.ordinal >= 0)
      return parsed;
  }
  std::string meant;
  for (auto &[word, own] : kOtherWords)
    if (name == word)
      meant = own;
  if (meant.empty())
    meant = nearestName(name, {"cpu", "cuda", "cuda:0", "cuda:sim"});
  throw Error(904, "--device", "cpu, cuda, cuda:N or cuda:sim", "'" + printable(name) + "'", meant.empty() ? "see `hb-rt devices`" : "did you mean '" + meant + "'?");
}

} // namespace

void requireDeviceName(const std::string &name) { parseName(name); }

std::unique_ptr<Device> openDevice(const std::string &name, const DeviceOptions &options) {
  ParsedName parsed = parseName(name);
  switch (parsed.kind) {
  case Kind::Cpu:
    return std::make_unique<CpuDevice>(options.threads);
  case Kind::Cuda:
    return std::make_unique<cuda::CudaDevice>(cuda::machineDriver(), parsed.ordinal, "cuda:" + std::to_string(parsed.ordinal));
  case Kind::CudaSim:
    return std::make_unique<cuda::CudaDevice>(cuda::simulatorDriver(), 0, "cuda:sim");
  }
  return nullptr;
}

std::vector<ListedDevice> listDevices() {
  std::vector<ListedDevice> list = {{cpuInfo(), ""}};
  try {
    const cuda::Driver &driver = cuda::machineDriver();
    int count = 0;
    driver.deviceGetCount(&count);
    for (int i = 0; i < count; ++i)
      list.push_back({cuda::describeDevice(driver, i, "cuda:" + std::to_string(i)), ""});
    if (!count)
      list.push_back({{"cuda", "", 0, 0, 0}, "the driver finds no device"});
  } catch (const Error &error) {
    list.push_back({{"cuda", "", 0, 0, 0}, error.what()});
  }
  list.push_back({cuda::describeDevice(cuda::simulatorDriver(), 0, "cuda:sim"), ""});
  return list;
}

} // namespace hb
