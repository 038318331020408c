#include "runtime/device/cuda/Staging.h"

#include <algorithm>
#include <cstring>

namespace hb::cuda {
namespace {

constexpr uint64_t kSlotBytes = uint64_t(8) << 20; // long enough to hide the start of a copy, short enough to cost nothing

} // namespace

Staging::Staging(const CudaContext &context) : context_(context) {
  for (Slot &slot : slots_) {
    void *memory = nullptr;
    context.check(context.driver().memHostAlloc(&memory, kSlotBytes, 0), "cuMemHostAlloc");
    slot.memory = static_cast<std::byte *>(memory);
    slot.done = std::make_unique<CudaEvent>(context, kEventDisableTiming);
  }
}

Staging::~Staging() {
  for (Slot &slot : slots_)
    if (slot.memory)
      context_.driver().memFreeHost(slot.memory);
}

Staging::Slot &Staging::next() {
  Slot &slot = slots_[turn_++ % 2];
  if (slot.busy)
    slot.done->wait();
  slot.busy = true;
  return slot;
}

void Staging::toDevice(Address to, const void *from, uint64_t bytes) {
  auto *source = static_cast<const std::byte *>(from);
  for (uint64_t at = 0; at < bytes; at += kSlotBytes) {
    uint64_t count = std::min(kSlotBytes, bytes - at);
    Slot &slot = next();
    std::memcpy(slot.memory, source + at, count);
    context_.check(context_.driver().memcpyHtoDAsync(to + at, slot.memory, count, context_.stream()), "cuMemcpyHtoDAsync");
    slot.done->record();
  }
}

void Staging::toHost(void *to, Address from, uint64_t bytes) {
  auto *target = static_cast<std::byte *>(to);
  // One piece is on its way while the one before is taken out.
  Slot *pending = nullptr;
  uint64_t pendingAt = 0, pendingCount = 0;
  auto take = [&] {
    if (!pending)
      return;
    pending->done->wait();
    pending->busy = false;
    std::memcpy(target + pendingAt, pending->memory, pendingCount);
  };
  for (uint64_t at = 0; at < bytes; at += kSlotBytes) {
    uint64_t count = std::min(kSlotBytes, bytes - at);
    Slot &slot = next();
    context_.check(context_.driver().memcpyDtoHAsync(slot.memory, from + at, count, context_.stream()), "cuMemcpyDtoHAsync");
    slot.done->record();
    take();
    pending = &slot, pendingAt = at, pendingCount = count;
  }
  take();
}

} // namespace hb::cuda
