// Offsets in one arena for blocks with lifetimes.
#pragma once

#include <cstdint>
#include <vector>

namespace hb {

/// Something that needs memory from command `begin` to command `end`, both included.
struct ArenaBlock {
  int64_t size = 0; ///< bytes, a multiple of kArenaAlignment
  int64_t begin = 0, end = 0;
  int64_t offset = -1;
};

/// Every offset and size is a multiple of this: a cache line, and the widest vector.
inline constexpr int64_t kArenaAlignment = 64;
/// Vector loads may run over the end of a value by less than this.
inline constexpr int64_t kReadablePadding = 64;

inline int64_t roundUp(int64_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; }

/// Chooses offsets so that blocks whose lifetimes meet do not overlap; returns the bytes used. Greedy: blocks in some order,
/// each into the tightest gap between the blocks placed before that live at the same time. Several orders are tried (by
/// size, by size x lifetime; then again with the blocks that stuck out moved to the front) and the smallest arena is kept:
/// the problem is NP-hard, and no single order wins everywhere (Pisarchyk & Lee 2020, "Efficient Memory Management for Deep
/// Neural Net Inference"). Deterministic.
int64_t assignOffsets(std::vector<ArenaBlock> &blocks);

/// The largest sum of sizes alive at any command, and that command: no assignment can use less.
struct Peak {
  int64_t bytes = 0, command = 0;
};
Peak peakOf(const std::vector<ArenaBlock> &blocks);

} // namespace hb
