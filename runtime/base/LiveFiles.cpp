#include "runtime/base/LiveFiles.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <unistd.h>
#include <utility>

namespace hb {
namespace {

/// A slot is claimed by `used`, filled, and becomes visible to handlers with `live`. Nothing in it is ever freed.
struct Slot {
  std::atomic<bool> used{false}, live{false};
  uintptr_t begin, end; ///< of the mapping; both 0 for an unfinished file
  char path[1024];
};

/// A checkpoint has a few dozen shards at most, a process a few checkpoints.
Slot gSlots[256];

Slot *claim(const std::string &path, uintptr_t begin, uintptr_t end) {
  if (path.size() >= sizeof(Slot::path))
    return nullptr;
  for (Slot &slot : gSlots)
    if (!slot.used.exchange(true)) {
      slot.begin = begin;
      slot.end = end;
      std::memcpy(slot.path, path.c_str(), path.size() + 1);
      slot.live = true;
      return &slot;
    }
  return nullptr;
}

} // namespace

LiveFile &LiveFile::operator=(LiveFile &&other) noexcept {
  std::swap(slot_, other.slot_);
  return *this;
}

LiveFile LiveFile::mapped(const std::string &path, const void *data, size_t size) {
  LiveFile file;
  auto begin = reinterpret_cast<uintptr_t>(data);
  // The last page is mapped whole.
  file.slot_ = claim(path, begin, (begin + size + 4095) / 4096 * 4096);
  return file;
}

LiveFile LiveFile::unfinished(const std::string &path) {
  LiveFile file;
  file.slot_ = claim(path, 0, 0);
  return file;
}

void LiveFile::end() noexcept {
  if (auto *slot = static_cast<Slot *>(std::exchange(slot_, nullptr))) {
    slot->live = false;
    slot->used = false;
  }
}

const char *pathMappedAt(const void *address) noexcept {
  auto at = reinterpret_cast<uintptr_t>(address);
  for (const Slot &slot : gSlots)
    if (slot.live && slot.begin <= at && at < slot.end)
      return slot.path;
  return nullptr;
}

void removeUnfinishedFiles() noexcept {
  for (const Slot &slot : gSlots)
    if (slot.live && slot.end == 0)
      ::unlink(slot.path);
}

} // namespace hb
