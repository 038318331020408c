// What is drawn for a sample: the numbers of the formula in docs/training.md, and that draws are spread evenly.
#include "runtime/train/SampleDraws.h"

#include <gtest/gtest.h>
#include <map>

namespace hb {
namespace {

TEST(SampleDraws, FollowTheFormula) {
  // Computed by a Python program from the formula.
  EXPECT_EQ(drawBits(93, 41, Draw::GradSteps), 11156375541942075418u);
  EXPECT_EQ(drawBits(0, 0, Draw::LowVarianceNoise), 15046856294717003556u);
  EXPECT_EQ(drawSeed(93, 41, Draw::Dropout), 2777638689640958);
  EXPECT_EQ(drawBetween(93, 41, Draw::GradSteps, 3, 9), 7);
}

TEST(SampleDraws, AreSpreadEvenly) {
  std::map<int64_t, int> counts;
  for (int64_t position = 0; position < 6000; ++position)
    ++counts[drawBetween(7, position, Draw::GradSteps, 2, 4)];
  ASSERT_EQ(counts.size(), 3u);
  for (auto [value, count] : counts)
    EXPECT_NEAR(count, 2000, 150) << value; // four standard deviations
  EXPECT_EQ(drawBetween(7, 1, Draw::GradSteps, 5, 5), 5);
  for (int64_t position = 0; position < 100; ++position)
    EXPECT_LT(drawSeed(7, position, Draw::Dropout), int64_t(1) << 53);
}

} // namespace
} // namespace hb
