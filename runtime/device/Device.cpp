#include "runtime/device/Device.h"

#include <algorithm>
#include <utility>

namespace hb {

void LaunchTime::add(double elapsed, double cpu) {
  ++count;
  seconds += elapsed;
  best = std::min(best, elapsed);
  cpuSeconds += cpu;
  bestCpu = std::min(bestCpu, cpu);
}

DeviceMemory &DeviceMemory::operator=(DeviceMemory &&other) noexcept {
  std::swap(device_, other.device_);
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  return *this;
}

DeviceMemory::~DeviceMemory() {
  if (address_)
    device_->release(address_);
}

} // namespace hb
