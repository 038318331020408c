// Offsets: never two live blocks in one place, never below the bound, the bound itself where it can be met.
#include "lowering/plan/Arena.h"

#include <gtest/gtest.h>
#include <random>

namespace hb {
namespace {

ArenaBlock block(int64_t size, int64_t begin, int64_t end) { return {size, begin, end, -1}; }

void expectApart(const std::vector<ArenaBlock> &blocks, int64_t used) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_GE(blocks[i].offset, 0);
    EXPECT_EQ(blocks[i].offset % kArenaAlignment, 0);
    EXPECT_LE(blocks[i].offset + blocks[i].size, used);
    for (size_t j = 0; j < i; ++j) {
      bool meet = blocks[i].begin <= blocks[j].end && blocks[j].begin <= blocks[i].end;
      bool overlap = blocks[i].offset < blocks[j].offset + blocks[j].size && blocks[j].offset < blocks[i].offset + blocks[i].size;
      EXPECT_FALSE(meet && overlap) << i << " and " << j;
    }
  }
}

TEST(Arena, NothingNeedsNothing) {
  std::vector<ArenaBlock> blocks;
  EXPECT_EQ(assignOffsets(blocks), 0);
  EXPECT_EQ(peakOf(blocks).bytes, 0);
}

TEST(Arena, ReusesWhatDied) {
  // A chain: each value lives until the next is made, so two places are enough.
  std::vector<ArenaBlock> blocks;
  for (int i = 0; i < 20; ++i)
    blocks.push_back(block(1024, i, i + 1));
  EXPECT_EQ(peakOf(blocks).bytes, 2048);
  int64_t used = assignOffsets(blocks);
  EXPECT_EQ(used, 2048);
  expectApart(blocks, used);
}

TEST(Arena, PeakIsWhereMostLives) {
  std::vector<ArenaBlock> blocks = {block(64, 0, 9), block(128, 3, 4), block(256, 4, 5), block(64, 8, 9)};
  Peak peak = peakOf(blocks);
  EXPECT_EQ(peak.bytes, 64 + 128 + 256);
  EXPECT_EQ(peak.command, 4);
}

TEST(Arena, LifetimesThatTouchDoNotShare) {
  // One value ends at the command that writes the other: both are live in it.
  std::vector<ArenaBlock> blocks = {block(64, 0, 1), block(64, 1, 2)};
  EXPECT_EQ(assignOffsets(blocks), 128);
}

TEST(Arena, RandomPlansAreSoundAndNearTheBound) {
  std::mt19937 random(7);
  double worst = 1.0;
  for (int round = 0; round < 40; ++round) {
    std::vector<ArenaBlock> blocks;
    int count = 1 + static_cast<int>(random() % 120);
    for (int i = 0; i < count; ++i) {
      int64_t begin = random() % 100;
      blocks.push_back(block(kArenaAlignment * (1 + random() % 64), begin, begin + random() % 12));
    }
    int64_t bound = peakOf(blocks).bytes, used = assignOffsets(blocks);
    EXPECT_GE(used, bound);
    expectApart(blocks, used);
    worst = std::max(worst, static_cast<double>(used) / static_cast<double>(bound));
  }
  EXPECT_LE(worst, 1.2);
}

TEST(Arena, SamePlanEveryTime) {
  std::vector<ArenaBlock> first, second;
  for (int i = 0; i < 50; ++i)
    first.push_back(block(kArenaAlignment * (1 + i * 37 % 11), i % 17, i % 17 + i % 5));
  second = first;
  assignOffsets(first);
  assignOffsets(second);
  for (size_t i = 0; i < first.size(); ++i)
    EXPECT_EQ(first[i].offset, second[i].offset);
}

} // namespace
} // namespace hb
