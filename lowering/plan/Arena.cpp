#include "lowering/plan/Arena.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace hb {

static int64_t placeInOrder(std::vector<ArenaBlock> &blocks, const std::vector<int> &order) {
  std::vector<const ArenaBlock *> placed; // by offset
  placed.reserve(blocks.size());
  int64_t used = 0;
  for (int index : order) {
    ArenaBlock &block = blocks[index];
    int64_t cursor = 0, best = -1, bestGap = INT64_MAX;
    for (const ArenaBlock *other : placed) {
      if (other->begin > block.end || other->end < block.begin)
        continue;
      int64_t gap = other->offset - cursor;
      if (gap >= block.size && gap < bestGap) {
        best = cursor;
        bestGap = gap;
      }
      cursor = std::max(cursor, other->offset + other->size);
    }
    block.offset = best >= 0 ? best : cursor;
    used = std::max(used, block.offset + block.size);
    auto position = std::upper_bound(placed.begin(), placed.end(), &block, [](const ArenaBlock *a, const ArenaBlock *b) { return a->offset < b->offset; });
    placed.insert(position, &block);
  }
  return used;
}

/// How often orders may be repaired: each try compares every pair of blocks.
static int64_t repairTries(size_t blocks) {
  constexpr int64_t kComparisons = 300'000'000, kMostTries = 200;
  int64_t pairs = static_cast<int64_t>(blocks) * static_cast<int64_t>(blocks) + 1;
  return std::min(kMostTries, kComparisons / pairs);
}

int64_t assignOffsets(std::vector<ArenaBlock> &blocks) {
  int64_t bound = peakOf(blocks).bytes, best = INT64_MAX;
  std::vector<ArenaBlock> kept = blocks;
  std::vector<int> order(blocks.size());
  auto attempt = [&] {
    int64_t used = placeInOrder(blocks, order);
    if (used < best) {
      best = used;
      kept = blocks;
    }
    return used;
  };
  auto area = [&](int i) { return static_cast<double>(blocks[i].size) * static_cast<double>(blocks[i].end - blocks[i].begin + 1); };
  for (bool byArea : {false, true}) {
    std::iota(order.begin(), order.end(), 0);
    // Stable orders with ties by position: the plan is the same on every machine.
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return byArea ? area(a) > area(b) : blocks[a].size > blocks[b].size; });
    int64_t used = attempt();
    for (int64_t i = 0; i < repairTries(blocks.size()) && best > bound; ++i) {
      // What ends highest had to go on top of others: next time it chooses first.
      std::stable_partition(order.begin(), order.end(), [&](int block) { return blocks[block].offset + blocks[block].size == used; });
      used = attempt();
    }
    if (best <= bound)
      break;
  }
  blocks = std::move(kept);
  return blocks.empty() ? 0 : best;
}

Peak peakOf(const std::vector<ArenaBlock> &blocks) {
  std::map<int64_t, int64_t> change;
  for (const ArenaBlock &block : blocks) {
    change[block.begin] += block.size;
    change[block.end + 1] -= block.size;
  }
  Peak peak;
  int64_t live = 0;
  for (auto [command, delta] : change) {
    live += delta;
    if (live > peak.bytes)
      peak = {live, command};
  }
  return peak;
}

} // namespace hb
