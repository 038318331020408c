// Who touched which shared memory when: races, missing waits and reads of what nobody wrote.
//
// Every warp has a clock that moves at each barrier it passes, and knows up to which clock of each other warp it is ordered behind
// (a vector clock, as in FastTrack, Flanagan and Freund 2009, with warps for threads; lanes of one warp are ordered by bar.warp.sync).
// A cell is as large as the smallest access of the kernel, so neighbours never share one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hb::ptx {

struct SharedConflict {
  enum class Is : uint8_t { None, ReadAfterWrite, WriteAfterWrite, WriteAfterRead, Uninitialised, MissingWait } is = Is::None;
  uint32_t thread = 0;              ///< the other one
  uint32_t instruction = 0;         ///< of the other one, when `instructionKnown`
  bool instructionKnown = false;
  bool severalReaders = false;
};

class SharedRaces {
public:
  void start(size_t bytes, unsigned warps, unsigned granule, bool races, bool initialised);
  /// `copiesLeft`: the last block ended with copies in flight.
  void startBlock(bool copiesLeft);
  bool on() const { return on_; }

  // Each answers with the first conflict it sees and records the access.
  SharedConflict read(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes);
  SharedConflict write(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes, uint32_t instruction);
  /// An atomic update: ordered against other atomic updates by itself, against everything else as a write.
  SharedConflict atomic(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes, uint32_t instruction);
  /// An asynchronous copy into [address, address + bytes): issued now, visible to nobody before it landed.
  SharedConflict issue(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes, uint32_t instruction);
  void land(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes, uint32_t instruction);

  /// bar.warp.sync, and the end of every barrier for each of its warps.
  void tick(unsigned warp) { ++clock_[warp]; }
  /// All of `contributed` happens before what each of `waiting` does next.
  void join(uint32_t contributed, uint32_t waiting);
  uint32_t clock(unsigned warp) const { return clock_[warp]; }
  /// What `other` did at `clock` happens before what `warp` does now.
  bool ordered(unsigned warp, unsigned other, uint32_t clock) const { return clock <= known_[warp * kWarps + other]; }
  uint32_t blockClock() const { return base_; }

private:
  static constexpr unsigned kWarps = 32;
  // A write: clock, instruction, warp, lane. A copy in flight has the clock of kInFlight: behind nothing and before everything.
  static constexpr unsigned kClockShift = 32, kInstructionShift = 10;
  static constexpr uint32_t kInFlight = 0x7FFFFFFF, kAtomic = 0x200000, kInstructionMask = 0x1FFFFF; // kAtomic: a bit of the instruction
  // A read: clock and lane, or kSeveral lanes.
  static constexpr uint32_t kReadShift = 6, kSeveral = 32;

  SharedConflict check(unsigned warp, unsigned lane, size_t first, size_t last, bool writing);
  void updateHorizon(unsigned warp);
  void restart();

  bool on_ = false, races_ = false, initialised_ = false;
  unsigned warps_ = 0, shift_ = 2;
  size_t cells_ = 0;
  uint32_t base_ = 1; ///< the clock every warp has at the start of the block
  std::vector<uint64_t> writes_;
  std::vector<std::vector<uint32_t>> reads_; ///< by warp
  uint32_t clock_[kWarps] = {};
  uint32_t known_[kWarps * kWarps] = {};
  uint32_t horizon_[kWarps] = {}; ///< the smallest of known_: all writes up to here are ordered
};

} // namespace hb::ptx
