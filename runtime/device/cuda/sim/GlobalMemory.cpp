#include "runtime/device/cuda/sim/GlobalMemory.h"
#include "runtime/base/Error.h"

#include <sys/mman.h>

namespace hb::ptx {

GlobalMemory::~GlobalMemory() {
  for (auto &[start, range] : ranges_)
    dropShadow(range);
}

bool GlobalMemory::overlaps(uint64_t start, size_t bytes) const {
  auto next = ranges_.lower_bound(start);
  if (next != ranges_.end() && next->first < start + bytes)
    return true;
  return next != ranges_.begin() && std::prev(next)->second.end > start;
}

void GlobalMemory::allow(uint64_t start, size_t bytes, bool writable) {
  if (!bytes)
    return;
  if (overlaps(start, bytes))
    throw Error(982, "memory of the simulator", "ranges that do not overlap", std::to_string(bytes) + " bytes inside an earlier range", "forget the earlier range first");
  Range range;
  range.start = start;
  range.end = start + bytes;
  range.writable = writable;
  ranges_.emplace(start, range);
}

void GlobalMemory::forget(uint64_t start) {
  auto found = ranges_.find(start);
  if (found == ranges_.end())
    return;
  dropShadow(found->second);
  ranges_.erase(found);
}

void GlobalMemory::createShadow(Range &range) {
  // One cell a byte is the most a kernel may ask for; the pages come when they are touched.
  range.shadowBytes = (range.end - range.start + 1) * sizeof(uint64_t);
  void *memory = mmap(nullptr, range.shadowBytes * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    throw Error(982, "race check", "address space for " + std::to_string(range.shadowBytes * 2) + " bytes of records", "none", "switch the check of races off");
  range.writes = static_cast<uint64_t *>(memory);
  range.reads = range.writes + range.shadowBytes / sizeof(uint64_t);
}

void GlobalMemory::dropShadow(Range &range) {
  if (range.writes)
    munmap(range.writes, range.shadowBytes * 2);
  range.writes = range.reads = nullptr;
}

void GlobalMemory::startLaunch(unsigned granule, bool races) {
  shift_ = granule == 1 ? 0 : granule == 2 ? 1 : 2;
  releases_.clear();
  if (++launch_ >> (64 - kLaunchShift)) {
    launch_ = 1;
    for (auto &[start, range] : ranges_)
      dropShadow(range);
  }
  races_ = races;
  for (auto &[start, range] : ranges_) {
    if (!races) // what is recorded belongs to earlier launches, and an unchecked one records nothing
      continue;
    if (range.writable && !range.writes)
      createShadow(range);
  }
}

const GlobalMemory::Range *GlobalMemory::View::search(uint64_t address, uint64_t bytes) {
  auto next = memory_.ranges_.upper_bound(address);
  if (next == memory_.ranges_.begin())
    return nullptr;
  const Range &range = std::prev(next)->second;
  if (!range.holds(address, bytes))
    return nullptr;
  last_ = &range;
  return last_;
}

const GlobalMemory::Range *GlobalMemory::View::nearest(uint64_t address) const {
  auto next = memory_.ranges_.upper_bound(address);
  return next == memory_.ranges_.begin() ? nullptr : &std::prev(next)->second;
}

void GlobalMemory::View::released() {
  auto &list = memory_.releases_[block_];
  list = synchronised_;
  list.insert(block_);
}

void GlobalMemory::View::acquired(uint32_t block) {
  if (block == block_)
    return;
  auto found = memory_.releases_.find(block);
  if (found != memory_.releases_.end())
    synchronised_.insert(found->second.begin(), found->second.end());
}

} // namespace hb::ptx
