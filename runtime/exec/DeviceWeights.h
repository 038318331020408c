// The weights and constants of a module where the kernels of a device read them.
#pragma once

#include "runtime/device/Device.h"
#include "runtime/params/WeightStore.h"

#include <vector>

namespace hb {

/// Where the device shares the host's memory this is the weight store itself. Elsewhere every weight is copied once, in its packed form, into
/// an allocation for all that a program was the first to bind, and again when its bytes have changed (adapters).
class DeviceWeights {
public:
  DeviceWeights(const Module &module, WeightStore &store, Device &device);

  /// What `prepare` would allocate on the device for this program.
  uint64_t missingBytes(const Program &program) const;
  /// Packs and uploads everything a program binds.
  void prepare(const Program &program);
  /// Uploads what has changed since.
  void refresh();
  std::byte *address(size_t weight) const;
  std::byte *constant(uint64_t offset) const;
  /// Bytes held on the device.
  uint64_t bytes() const;

private:
  struct Entry {
    std::byte *address = nullptr;
    uint64_t revision = 0;
  };
  std::vector<size_t> missing(const Program &program) const;
  void upload(size_t weight);

  const Module &module_;
  WeightStore &store_;
  Device &device_;
  std::vector<Entry> entries_;
  std::vector<size_t> uploaded_;
  std::vector<DeviceMemory> slabs_;
  DeviceMemory constants_;
};

} // namespace hb
