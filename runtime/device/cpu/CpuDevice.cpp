#include "runtime/device/cpu/CpuDevice.h"

#include "runtime/base/AlignedBuffer.h"
#include "runtime/base/Error.h"
#include "runtime/device/cpu/CodeLibrary.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/CpuRecording.h"

#include <cstdlib>
#include <cstring>

namespace hb {
namespace {

class CpuCode : public DeviceCode {
public:
  CpuCode(const Module &module, ThreadPool &pool) : module_(module), library_(module), pool_(pool) {}
  const CodeVariant &variant() const override { return library_.variant(); }
  std::unique_ptr<Recording> record(const PlacedProgram &program) override { return std::make_unique<CpuRecording>(program, module_, library_, pool_); }

private:
  const Module &module_;
  CodeLibrary library_;
  ThreadPool &pool_;
};

} // namespace

DeviceInfo cpuInfo() { return {"cpu", cpuModelName(), 0, 0, 0}; }

CpuDevice::CpuDevice(int threads) : info_(cpuInfo()), pool_(threads > 0 ? threads : availableProcessors(), 64) {}

size_t CpuDevice::chooseTarget(const std::vector<std::string> &names, const std::string &module) const {
  if (auto chosen = chooseCpuTarget(names))
    return *chosen;
  std::string all;
  for (const std::string &name : names)
    all += (all.empty() ? "" : ", ") + name;
  throw Error(407, module, "code for x86-64", all.empty() ? "no code" : "code for " + all, "choose another --device, or compile again with --target x86-64");
}

std::unique_ptr<DeviceCode> CpuDevice::load(const Module &module) { return std::make_unique<CpuCode>(module, pool_); }

DeviceMemory CpuDevice::allocate(uint64_t bytes, const std::string &where, const std::string &purpose) {
  AlignedBuffer buffer(bytes, where, purpose);
  return {*this, buffer.release(), bytes};
}

void CpuDevice::write(std::byte *to, const void *from, uint64_t bytes) { std::memcpy(to, from, bytes); }
void CpuDevice::read(void *to, const std::byte *from, uint64_t bytes) { std::memcpy(to, from, bytes); }
void CpuDevice::zero(std::byte *to, uint64_t bytes) { std::memset(to, 0, bytes); }
void CpuDevice::release(std::byte *address) { std::free(address); }

} // namespace hb
