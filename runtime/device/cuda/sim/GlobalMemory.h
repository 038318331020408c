// The ranges a kernel may touch, and who touched them in this launch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace hb::ptx {

class GlobalMemory {
public:
  enum class Strength : uint8_t { Weak, Strong }; ///< plain accesses; volatile, relaxed and atomic ones

  struct Range {
    uint64_t start = 0, end = 0;
    bool writable = true;
    // Two cells for each granule, created when a checked launch first touches the range; pages nobody touches cost nothing.
    uint64_t *writes = nullptr, *reads = nullptr;
    size_t shadowBytes = 0;
    bool holds(uint64_t address, uint64_t bytes) const { return address >= start && address < end && bytes <= end - address; }
  };

  struct Conflict {
    enum class Is : uint8_t { None, ReadAfterWrite, WriteAfterWrite, WriteAfterRead } is = Is::None;
    bool otherBlock = false, severalReaders = false;
    uint32_t block = 0, thread = 0;
  };

  GlobalMemory() = default;
  ~GlobalMemory();
  GlobalMemory(const GlobalMemory &) = delete;
  GlobalMemory &operator=(const GlobalMemory &) = delete;

  void allow(uint64_t start, size_t bytes, bool writable);
  void forget(uint64_t start);
  bool overlaps(uint64_t start, size_t bytes) const;
  /// Numbers a launch: what earlier ones did is over.
  void startLaunch(unsigned granule, bool races);

  /// What one worker sees; remembers the range of its last access.
  class View {
  public:
    explicit View(GlobalMemory &memory) : memory_(memory) {}
    /// The range that holds [address, address + bytes), or null.
    const Range *find(uint64_t address, uint64_t bytes) {
      if (last_ && last_->holds(address, bytes))
        return last_;
      return search(address, bytes);
    }
    const Range *nearest(uint64_t address) const;

    using Ordered = std::function<bool(uint32_t thread, uint32_t clock)>;
    void startBlock(uint32_t block) { block_ = block; synchronised_.clear(); fenced_ = false; }
    /// `clock` counts the barriers the warp passed in this block; `ordered` tells whether another thread's access at a clock came before.
    template <class F> Conflict access(const Range &range, uint64_t address, uint32_t bytes, bool writing, Strength strength, uint32_t thread, uint32_t clock, const F &ordered);
    /// membar / fence: what this block wrote is visible to who reads a strong write of it from now on.
    void fence() { fenced_ = true; }

  private:
    const Range *search(uint64_t address, uint64_t bytes);
    bool otherBlockOrdered(uint32_t block) const { return synchronised_.count(block) != 0; }
    void released();
    void acquired(uint32_t block);

    GlobalMemory &memory_;
    const Range *last_ = nullptr;
    uint32_t block_ = 0;
    std::set<uint32_t> synchronised_;
    bool fenced_ = false;
  };

private:
  // launch 18 | block 24 | clock 10 | thread 10 | several threads 1 | strong 1
  static constexpr unsigned kLaunchShift = 46, kBlockShift = 22, kClockShift = 12, kThreadShift = 2;
  static constexpr uint32_t kSeveralBlocks = 0xFFFFFF, kClockLimit = 1023;
  void createShadow(Range &range);
  void dropShadow(Range &range);

  std::map<uint64_t, Range> ranges_; ///< by start
  uint64_t launch_ = 0;
  unsigned shift_ = 2;
  bool races_ = false;
  std::map<uint32_t, std::set<uint32_t>> releases_; ///< by block: itself and whom it was synchronised with at its last release
};

template <class F>
GlobalMemory::Conflict GlobalMemory::View::access(const Range &range, uint64_t address, uint32_t bytes, bool writing, Strength strength, uint32_t thread, uint32_t clock,
                                                  const F &ordered) {
  Conflict result;
  if (!range.writes)
    return result;
  bool strong = strength == Strength::Strong;
  uint64_t launch = memory_.launch_;
  uint64_t mine = launch << kLaunchShift | uint64_t(block_) << kBlockShift | uint64_t(std::min(clock, kClockLimit)) << kClockShift | uint64_t(thread) << kThreadShift | (strong ? 1 : 0);
  size_t first = (address - range.start) >> memory_.shift_, last = (address - range.start + bytes + (1u << memory_.shift_) - 1) >> memory_.shift_;
  auto conflicts = [&](uint64_t cell) {
    if (cell >> kLaunchShift != launch || cell == mine || (strong && (cell & 1)))
      return false;
    uint32_t block = cell >> kBlockShift & 0xFFFFFF, at = cell >> kClockShift & 1023, who = cell >> kThreadShift & 1023;
    bool several = cell & 2;
    result.otherBlock = block != block_;
    result.block = block;
    result.thread = who;
    result.severalReaders = several;
    if (block != block_)
      return block == kSeveralBlocks || !otherBlockOrdered(block);
    return !((who == thread && !several) || at == kClockLimit || ordered(who, at));
  };
  if (writing && strong && fenced_)
    released();
  for (size_t c = first; c < last; ++c) {
    uint64_t &write = range.writes[c], &read = range.reads[c];
    if (!writing && strong && (write & 1) && write >> kLaunchShift == launch)
      acquired(write >> kBlockShift & 0xFFFFFF);
    if (result.is == Conflict::Is::None && conflicts(write))
      result.is = writing ? Conflict::Is::WriteAfterWrite : Conflict::Is::ReadAfterWrite;
    if (writing) {
      if (result.is == Conflict::Is::None && conflicts(read))
        result.is = Conflict::Is::WriteAfterRead;
      write = mine;
    } else if (read >> kLaunchShift != launch) {
      read = mine;
    } else if ((read >> kBlockShift & 0xFFFFFF) != block_) {
      read = launch << kLaunchShift | uint64_t(kSeveralBlocks) << kBlockShift | (read & mine & 1);
    } else if (read != mine) {
      bool sameMoment = (read >> kClockShift & 1023) == std::min(clock, kClockLimit) && ((read >> kThreadShift & 1023) != thread || (read & 2));
      read = (mine & ~uint64_t(1)) | (sameMoment ? 2 : 0) | (read & mine & 1);
    }
  }
  return result;
}

} // namespace hb::ptx
