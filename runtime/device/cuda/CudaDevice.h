// A CUDA device behind the runtime's device interface: NVIDIA's driver, or the simulator behind the same table.
#pragma once

#include "runtime/device/cuda/CudaContext.h"
#include "runtime/device/cuda/Staging.h"

namespace hb::cuda {

class CudaDevice : public Device {
public:
  /// HB0904, HB0906.
  CudaDevice(const Driver &driver, int ordinal, const std::string &name) : context_(driver, ordinal, name), staging_(context_) {}

  const DeviceInfo &info() const override { return context_.info(); }
  bool sharesHostMemory() const override { return false; }
  size_t chooseTarget(const std::vector<std::string> &names, const std::string &module) const override;
  std::unique_ptr<DeviceCode> load(const Module &module) override;
  void requireFree(const std::vector<MemoryNeed> &needs, const std::string &where) override;
  DeviceMemory allocate(uint64_t bytes, const std::string &where, const std::string &purpose) override;
  void restrict(const DeviceMemory &memory, const std::vector<MemoryPiece> &pieces) override;
  void write(std::byte *to, const void *from, uint64_t bytes) override;
  void read(void *to, const std::byte *from, uint64_t bytes) override;
  void zero(std::byte *to, uint64_t bytes) override;

protected:
  void release(std::byte *address) override;

private:
  CudaContext context_;
  Staging staging_;
};

} // namespace hb::cuda
