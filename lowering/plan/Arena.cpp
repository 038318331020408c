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

int64_t assignOffsets(std::vector<ArenaBlock> &blocks) {
  std::vector<int> order(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  // Stable orders with ties by position: the plan is the same on every machine.
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return blocks[a].size > blocks[b].size; });
  std::vector<ArenaBlock> bySize = blocks;
  int64_t usedBySize = placeInOrder(bySize, order);
  auto area = [&](int i) { return static_cast<double>(blocks[i].size) * static_cast<double>(blocks[i].end - blocks[i].begin + 1); };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return area(a) > area(b); });
  int64_t usedByArea = placeInOrder(blocks, order);
  if (usedBySize <= usedByArea) {
    blocks = std::move(bySize);
    return usedBySize;
  }
  return usedByArea;
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
