// Devices by name.
#pragma once

#include "runtime/device/Device.h"

#include <memory>
#include <string>
#include <vector>

namespace hb {

struct DeviceOptions {
  int threads = 0; ///< of the processor; 0: as many as the process may use
};

/// Only looks at the name: "cpu", "cuda", "cuda:1", "cuda:sim". HB0904 with a suggestion.
void requireDeviceName(const std::string &name);

/// HB0904 for a name that means nothing here, HB0905 without a driver, HB0906 when the driver fails.
std::unique_ptr<Device> openDevice(const std::string &name, const DeviceOptions &options = {});

/// A device of this machine, or why there is none of its kind.
struct ListedDevice {
  DeviceInfo info;
  std::string note; ///< empty: it can be used
};
std::vector<ListedDevice> listDevices();

} // namespace hb
