// The processor as a device: code is a shared object, memory is the host's, a recording is the list of commands itself.
#pragma once

#include "runtime/device/Device.h"
#include "runtime/device/cpu/ThreadPool.h"

namespace hb {

class CpuDevice : public Device {
public:
  /// 0 threads: as many as the process may use. HB0903.
  explicit CpuDevice(int threads);

  const DeviceInfo &info() const override { return info_; }
  bool sharesHostMemory() const override { return true; }
  size_t chooseTarget(const std::vector<std::string> &names, const std::string &module) const override;
  std::unique_ptr<DeviceCode> load(const Module &module) override;
  /// Each allocation asks for itself.
  void requireFree(const std::vector<MemoryNeed> &, const std::string &) override {}
  DeviceMemory allocate(uint64_t bytes, const std::string &where, const std::string &purpose) override;
  void restrict(const DeviceMemory &, const std::vector<MemoryPiece> &) override {}
  void write(std::byte *to, const void *from, uint64_t bytes) override;
  void read(void *to, const std::byte *from, uint64_t bytes) override;
  void zero(std::byte *to, uint64_t bytes) override;

protected:
  void release(std::byte *address) override;

private:
  DeviceInfo info_;
  ThreadPool pool_;
};

/// What `info()` says of the processor, without threads.
DeviceInfo cpuInfo();

} // namespace hb
