#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/abi/kernel.h"
#include "runtime/base/Error.h"
#include "runtime/device/cuda/CudaCode.h"
#include "runtime/device/cuda/TargetChoice.h"

#include <cstdio>

namespace hb::cuda {
namespace {

std::string mebibytes(uint64_t bytes) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

} // namespace

size_t CudaDevice::chooseTarget(const std::vector<std::string> &names, const std::string &module) const {
  if (auto chosen = cuda::chooseTarget(names, info().capability))
    return *chosen;
  std::string all;
  for (const std::string &name : names)
    all += (all.empty() ? "" : ", ") + name;
  const std::string own = "cuda:sm_" + std::to_string(info().capability);
  throw Error(407, module, "code for " + own + " or an older architecture (" + info().name + " is " + info().description + ")", all.empty() ? "no code" : "code for " + all,
              "compile again with --target cuda:sm_80, or choose another --device");
}

std::unique_ptr<DeviceCode> CudaDevice::load(const Module &module) { return std::make_unique<CudaCode>(module, context_); }

void CudaDevice::requireFree(const std::vector<MemoryNeed> &needs, const std::string &where) {
  context_.enter();
  size_t free = 0, total = 0;
  context_.check(context_.driver().memGetInfo(&free, &total), "cuMemGetInfo");
  uint64_t sum = 0;
  std::string parts;
  for (const MemoryNeed &need : needs) {
    sum += need.bytes;
    parts += (parts.empty() ? "" : ", ") + std::string(need.what) + " " + mebibytes(need.bytes);
  }
  if (sum > free)
    throw Error(907, where, mebibytes(sum) + " of memory on " + info().name + " (" + parts + ")", mebibytes(free) + " free of " + mebibytes(total),
                "end other programs on it, compile for a smaller batch or picture, or give `hbc compile` a --memory-budget");
}

DeviceMemory CudaDevice::allocate(uint64_t bytes, const std::string &where, const std::string &purpose) {
  context_.enter();
  Address address = 0;
  // A kernel may read this far behind the last value.
  const uint64_t whole = bytes + HB_READABLE_TAIL_BYTES;
  Result result = context_.driver().memAlloc(&address, whole);
  if (result == kOutOfMemory)
    throw Error(907, where, mebibytes(whole) + " of memory on " + info().name + " (" + purpose + ")", "less", "end other programs on it, or compile for a smaller batch or picture");
  context_.check(result, "cuMemAlloc");
  return {*this, reinterpret_cast<std::byte *>(address), bytes};
}

void CudaDevice::restrict(const DeviceMemory &memory, const std::vector<MemoryPiece> &pieces) {
  if (context_.driver().restrict)
    context_.driver().restrict(addressOf(memory.address()), pieces);
}

void CudaDevice::write(std::byte *to, const void *from, uint64_t bytes) {
  context_.enter();
  staging_.toDevice(addressOf(to), from, bytes);
}

void CudaDevice::read(void *to, const std::byte *from, uint64_t bytes) {
  context_.enter();
  staging_.toHost(to, addressOf(from), bytes);
}

void CudaDevice::zero(std::byte *to, uint64_t bytes) {
  context_.enter();
  context_.check(context_.driver().memsetD8Async(addressOf(to), 0, bytes, context_.stream()), "cuMemsetD8Async");
}

void CudaDevice::release(std::byte *address) {
  context_.enterToFree();
  context_.driver().memFree(addressOf(address));
}

} // namespace hb::cuda
