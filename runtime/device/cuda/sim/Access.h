// Where lanes read and write, and whether they may.
#pragma once

#include "runtime/device/cuda/sim/Machine.h"

namespace hb::ptx {

struct Access {
  uint32_t bytes = 4;     ///< of one lane, aligned to as much
  bool writing = false;
  bool atomic = false;    ///< reads and writes in one step
  bool strong = false;    ///< volatile, relaxed, acquire, release, atomic
};

/// Checks one access of the lanes in `mask`, counts it, and answers with the host addresses. A place no thread may touch ends the launch.
void resolve(Worker &worker, Warp &warp, const Instruction &i, Space space, uint32_t mask, const uint64_t (&address)[32], const Access &access, std::byte *(&pointer)[32]);

// The parts, for instructions with rules of their own (ldmatrix, cp.async).
void sharedBounds(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask, const uint64_t (&address)[32], uint32_t bytes);
void globalAccess(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask, const uint64_t (&address)[32], const Access &access);
void report(Worker &worker, Warp &warp, const Instruction &i, unsigned lane, uint64_t address, const SharedConflict &conflict);
/// Passes over the 32 banks of 4 bytes: lanes that name the same word share one (`lanes` at a time for 4, 8 and 16 bytes: 32, 16, 8).
void countBanks(Worker &worker, uint32_t mask, const uint64_t (&address)[32], uint32_t bytes);
void countSectors(Worker &worker, uint32_t mask, const uint64_t (&address)[32], uint32_t bytes);

} // namespace hb::ptx
