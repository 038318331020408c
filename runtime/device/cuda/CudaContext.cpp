#include "runtime/device/cuda/CudaContext.h"

#include "runtime/base/Error.h"

namespace hb::cuda {
namespace {

void require(const Driver &driver, Result result, const char *call, const std::string &device) {
  if (result == kSuccess)
    return;
  if (driver.takeFinding)
    if (auto [kernel, finding] = driver.takeFinding(); !kernel.empty())
      throw Error(908, kernel, "a kernel without faults", finding, "report this with the module; it is a mistake of the compiler");
  const char *name = nullptr, *text = nullptr;
  driver.getErrorName(result, &name);
  driver.getErrorString(result, &text);
  std::string found = std::string(call) + ": " + (name ? name : "an error") + " (" + std::to_string(result) + ")" + (text ? std::string(": ") + text : "");
  if (result == kOutOfMemory)
    throw Error(907, device, "memory of the device", found, "end other programs on it, or choose a smaller batch or picture");
  throw Error(906, device, "success", found, "see `hb-rt devices`; after such a failure the program has to be started again");
}

} // namespace

DeviceInfo describeDevice(const Driver &driver, int ordinal, const std::string &name) {
  DeviceHandle device = 0;
  require(driver, driver.deviceGet(&device, ordinal), "cuDeviceGet", name);
  DeviceInfo info;
  info.name = name;
  char text[256] = {};
  require(driver, driver.deviceGetName(text, sizeof text - 1, device), "cuDeviceGetName", name);
  info.description = text;
  size_t bytes = 0;
  require(driver, driver.deviceTotalMem(&bytes, device), "cuDeviceTotalMem", name);
  info.memoryBytes = bytes;
  int major = 0, minor = 0;
  require(driver, driver.deviceGetAttribute(&major, kCapabilityMajor, device), "cuDeviceGetAttribute", name);
  require(driver, driver.deviceGetAttribute(&minor, kCapabilityMinor, device), "cuDeviceGetAttribute", name);
  info.capability = major * 10 + minor;
  require(driver, driver.driverGetVersion(&info.driver), "cuDriverGetVersion", name);
  return info;
}

CudaContext::CudaContext(const Driver &driver, int ordinal, std::string name) : driver_(driver) {
  int count = 0;
  require(driver, driver.deviceGetCount(&count), "cuDeviceGetCount", name);
  if (ordinal < 0 || ordinal >= count)
    throw Error(904, "--device", count ? "cuda:0 to cuda:" + std::to_string(count - 1) : "a CUDA device", name, count ? "see `hb-rt devices`" : "choose cpu");
  info_ = describeDevice(driver, ordinal, name);
  require(driver, driver.deviceGet(&device_, ordinal), "cuDeviceGet", name);
  require(driver, driver.deviceGetAttribute(&sharedBytes_, kSharedBytesOptIn, device_), "cuDeviceGetAttribute", name);
  require(driver, driver.primaryCtxRetain(&context_, device_), "cuDevicePrimaryCtxRetain", name);
  enter();
  if (Result result = driver.streamCreate(&stream_, kStreamNonBlocking)) {
    driver.primaryCtxRelease(device_);
    check(result, "cuStreamCreate");
  }
}

CudaContext::~CudaContext() {
  driver_.ctxSetCurrent(context_);
  driver_.streamSynchronize(stream_);
  driver_.streamDestroy(stream_);
  driver_.primaryCtxRelease(device_);
}

void CudaContext::enter() const { check(driver_.ctxSetCurrent(context_), "cuCtxSetCurrent"); }

void CudaContext::check(Result result, const char *call) const { require(driver_, result, call, info_.name); }

} // namespace hb::cuda
