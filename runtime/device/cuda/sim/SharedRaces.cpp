#include "runtime/device/cuda/sim/SharedRaces.h"

#include <algorithm>

namespace hb::ptx {

void SharedRaces::start(size_t bytes, unsigned warps, unsigned granule, bool races, bool initialised) {
  on_ = (races || initialised) && bytes;
  races_ = races;
  initialised_ = initialised;
  warps_ = warps;
  shift_ = granule == 1 ? 0 : granule == 2 ? 1 : 2;
  cells_ = on_ ? (bytes >> shift_) + 1 : 0;
  restart();
}

void SharedRaces::restart() {
  base_ = 1;
  writes_.assign(cells_, 0);
  reads_.assign(on_ && races_ ? warps_ : 0, std::vector<uint32_t>(cells_, 0));
}

void SharedRaces::startBlock(bool copiesLeft) {
  // Clocks go on from block to block, so what earlier blocks did is older than everything and need not be cleared.
  uint32_t last = base_;
  for (unsigned w = 0; w < warps_; ++w)
    last = std::max(last, clock_[w]);
  base_ = last + 1;
  if (base_ > (1u << 25) || copiesLeft) // reads hold 26 bits of clock
    restart();
  for (unsigned w = 0; w < warps_; ++w) {
    clock_[w] = base_;
    horizon_[w] = base_ - 1;
    for (unsigned other = 0; other < kWarps; ++other)
      known_[w * kWarps + other] = base_ - 1;
  }
}

void SharedRaces::updateHorizon(unsigned warp) {
  uint32_t least = ~0u;
  for (unsigned other = 0; other < warps_; ++other)
    if (other != warp)
      least = std::min(least, known_[warp * kWarps + other]);
  // Within the warp, everything before its own clock is ordered.
  horizon_[warp] = std::min(least, clock_[warp] - 1);
}

void SharedRaces::join(uint32_t contributed, uint32_t waiting) {
  uint32_t joined[kWarps] = {};
  for (unsigned w = 0; w < warps_; ++w)
    if (contributed >> w & 1)
      for (unsigned other = 0; other < warps_; ++other)
        joined[other] = std::max(joined[other], other == w ? clock_[w] : known_[w * kWarps + other]);
  for (unsigned w = 0; w < warps_; ++w)
    if (waiting >> w & 1)
      for (unsigned other = 0; other < warps_; ++other)
        known_[w * kWarps + other] = std::max(known_[w * kWarps + other], joined[other]);
  for (unsigned w = 0; w < warps_; ++w)
    if ((contributed | waiting) >> w & 1)
      ++clock_[w];
  for (unsigned w = 0; w < warps_; ++w)
    updateHorizon(w);
}

SharedConflict SharedRaces::check(unsigned warp, unsigned lane, size_t first, size_t last, bool writing) {
  SharedConflict result;
  for (size_t c = first; c < last; ++c) {
    uint64_t cell = writes_[c];
    uint32_t clock = static_cast<uint32_t>(cell >> kClockShift);
    unsigned otherLane = cell & 31, otherWarp = cell >> 5 & 31;
    bool bad = false;
    if (clock < base_) {
      bad = !writing && initialised_;
      result.is = SharedConflict::Is::Uninitialised;
    } else if (clock == kInFlight) {
      bad = true;
      result.is = SharedConflict::Is::MissingWait;
    } else if (races_ && !(otherWarp == warp ? otherLane == lane || clock < clock_[warp] : ordered(warp, otherWarp, clock))) {
      bad = true;
      result.is = writing ? SharedConflict::Is::WriteAfterWrite : SharedConflict::Is::ReadAfterWrite;
    }
    if (bad) {
      result.thread = otherWarp * 32 + otherLane;
      result.instruction = cell >> kInstructionShift & kInstructionMask;
      result.instructionKnown = result.is != SharedConflict::Is::Uninitialised;
      return result;
    }
  }
  result.is = SharedConflict::Is::None;
  return result;
}

SharedConflict SharedRaces::read(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes) {
  SharedConflict result;
  if (!on_)
    return result;
  size_t first = address >> shift_, last = (address + bytes + (1u << shift_) - 1) >> shift_;
  // Nearly always every write is older than the last barrier and of this block: two comparisons a cell, no branches.
  uint64_t oldest = uint64_t(base_) << kClockShift, newest = (uint64_t(horizon_[warp]) + 1) << kClockShift;
  bool plain = true;
  for (size_t c = first; c < last; ++c)
    plain &= writes_[c] - oldest < newest - oldest;
  if (!plain)
    result = check(warp, lane, first, last, false);
  if (races_) {
    uint32_t *reads = reads_[warp].data();
    uint32_t mine = clock_[warp] << kReadShift | lane, several = clock_[warp] << kReadShift | kSeveral;
    for (size_t c = first; c < last; ++c)
      reads[c] = (reads[c] >> kReadShift) == clock_[warp] && reads[c] != mine ? several : mine;
  }
  return result;
}

SharedConflict SharedRaces::write(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes, uint32_t instruction) {
  SharedConflict result;
  if (!on_)
    return result;
  size_t first = address >> shift_, last = (address + bytes + (1u << shift_) - 1) >> shift_;
  uint64_t newest = (uint64_t(horizon_[warp]) + 1) << kClockShift;
  bool plain = true;
  for (size_t c = first; c < last; ++c)
    plain &= writes_[c] < newest;
  if (!plain)
    result = check(warp, lane, first, last, true);
  if (races_ && result.is == SharedConflict::Is::None) {
    for (unsigned other = 0; other < warps_ && result.is == SharedConflict::Is::None; ++other) {
      const uint32_t *reads = reads_[other].data();
      uint32_t latest = 0;
      for (size_t c = first; c < last; ++c)
        latest = std::max(latest, reads[c]);
      uint32_t clock = latest >> kReadShift, reader = latest & 63;
      bool fine = other == warp ? clock < clock_[warp] || reader == lane : ordered(warp, other, clock);
      if (fine && other == warp && reader == lane) // another cell of the same clock may have another reader
        for (size_t c = first; c < last && fine; ++c)
          fine = (reads[c] >> kReadShift) < clock_[warp] || (reads[c] & 63) == lane;
      if (!fine) {
        result.is = SharedConflict::Is::WriteAfterRead;
        result.severalReaders = reader == kSeveral;
        result.thread = other * 32 + (reader == kSeveral ? 0 : reader);
      }
    }
  }
  uint64_t cell = uint64_t(clock_[warp]) << kClockShift | uint64_t(instruction & kInstructionMask) << kInstructionShift | warp << 5 | lane;
  for (size_t c = first; c < last; ++c)
    writes_[c] = cell;
  return result;
}

SharedConflict SharedRaces::atomic(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes, uint32_t instruction) {
  SharedConflict result;
  if (!on_)
    return result;
  size_t first = address >> shift_, last = (address + bytes + (1u << shift_) - 1) >> shift_;
  bool afterAtomic = true;
  for (size_t c = first; c < last; ++c)
    afterAtomic &= (writes_[c] >> kInstructionShift & kAtomic) != 0 && writes_[c] >> kClockShift >= base_;
  if (!afterAtomic)
    result = check(warp, lane, first, last, false);
  SharedConflict written = afterAtomic ? SharedConflict{} : write(warp, lane, address, bytes, instruction);
  for (size_t c = first; c < last; ++c)
    writes_[c] = uint64_t(clock_[warp]) << kClockShift | uint64_t((instruction & kInstructionMask) | kAtomic) << kInstructionShift | warp << 5 | lane;
  return result.is != SharedConflict::Is::None ? result : written;
}

SharedConflict SharedRaces::issue(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes, uint32_t instruction) {
  SharedConflict result = write(warp, lane, address, bytes, instruction);
  if (!on_)
    return result;
  uint64_t cell = uint64_t(kInFlight) << kClockShift | uint64_t(instruction & kInstructionMask) << kInstructionShift | warp << 5 | lane;
  for (size_t c = address >> shift_, last = (address + bytes + (1u << shift_) - 1) >> shift_; c < last; ++c)
    writes_[c] = cell;
  return result;
}

void SharedRaces::land(unsigned warp, unsigned lane, uint32_t address, uint32_t bytes, uint32_t instruction) {
  if (!on_)
    return;
  uint64_t cell = uint64_t(clock_[warp]) << kClockShift | uint64_t(instruction & kInstructionMask) << kInstructionShift | warp << 5 | lane;
  for (size_t c = address >> shift_, last = (address + bytes + (1u << shift_) - 1) >> shift_; c < last; ++c)
    writes_[c] = cell;
}

} // namespace hb::ptx
