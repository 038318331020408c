#include "runtime/base/Error.h"
#include "runtime/device/cuda/Driver.h"

#include <dlfcn.h>

namespace hb::cuda {
namespace {

std::string resultText(const Driver &driver, Result result) {
  const char *name = nullptr, *text = nullptr;
  driver.getErrorName(result, &name);
  driver.getErrorString(result, &text);
  return std::string(name ? name : "an error") + " (" + std::to_string(result) + ")" + (text ? std::string(": ") + text : "");
}

} // namespace

Driver loadDriver(const std::vector<std::string> &libraries) {
  void *library = nullptr;
  std::string tried;
  for (const std::string &name : libraries) {
    if ((library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)))
      break;
    const char *reason = dlerror();
    tried += (tried.empty() ? "" : "; ") + std::string(reason ? reason : name + ": not found");
  }
  if (!library)
    throw Error(905, "--device cuda", "the NVIDIA driver's library", tried, "install the driver of the card, or choose --device cpu");
  Driver driver;
#define HB_CUDA_FUNCTION(member, symbol, parameters)                                                                                                                                                           \
  if (!(driver.member = reinterpret_cast<decltype(driver.member)>(dlsym(library, symbol))))                                                                                                                    \
    throw Error(905, "--device cuda", "a driver for CUDA 12.0 or newer", std::string("one without ") + symbol, "install a newer driver, or choose --device cpu");
#include "runtime/device/cuda/Driver.def"
#undef HB_CUDA_FUNCTION
  if (Result result = driver.init(0))
    throw Error(905, "--device cuda", "a working NVIDIA driver", "cuInit: " + resultText(driver, result), "see whether nvidia-smi lists the card, or choose --device cpu");
  return driver;
}

const Driver &machineDriver() {
  static const Driver driver = loadDriver({"libcuda.so.1", "libcuda.so"});
  return driver;
}

} // namespace hb::cuda
