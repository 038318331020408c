#include "runtime/train/LearningRate.h"

#include "tests/runtime/pipeline/TestData.h"

namespace hb {
namespace {

TEST(LearningRate, AsDiffusers) {
  size_t compared = 0;
  for (const nlohmann::json &row : test::rows("trainer.json", "schedules")) {
    LearningRateSchedule schedule{row["name"], row["base"], row["warmup"], row["total"], row["cycles"], row["power"]};
    ASSERT_TRUE(isLearningRateSchedule(schedule.name));
    for (size_t step = 0; step < row["rates"].size(); ++step, ++compared)
      EXPECT_DOUBLE_EQ(learningRate(schedule, static_cast<int64_t>(step)), row["rates"][step].get<double>()) << schedule.name << " step " << step;
  }
  EXPECT_GT(compared, 90u);
}

TEST(LearningRate, Names) {
  EXPECT_FALSE(isLearningRateSchedule("cosin"));
  EXPECT_NE(learningRateSchedules().find("cosine_with_restarts"), std::string::npos);
}

} // namespace
} // namespace hb
