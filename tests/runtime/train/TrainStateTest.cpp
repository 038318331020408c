#include "runtime/train/TrainState.h"

#include "tests/runtime/pipeline/TestData.h"

namespace hb {
namespace {

TEST(TrainState, StartsFromTheAdapter) {
  TrainState state = TrainState::start({{"x", 3, 2, 1, 4, {1, 2, 3}, {4, 5}}}, true);
  EXPECT_EQ(trainableNames(state.adapter), (std::vector<std::string>{"x.lora_A.weight", "x.lora_B.weight"}));
  EXPECT_EQ(state.average, (std::vector<std::vector<float>>{{0, 0, 0}, {0, 0}}));
  EXPECT_EQ(state.ema[1], (std::vector<float>{4, 5}));
  state.ema[0] = {7, 8, 9};
  EXPECT_EQ(state.averaged()[0].a, (std::vector<float>{7, 8, 9}));
  EXPECT_EQ(TrainState::start(state.adapter, false).averaged()[0].a, (std::vector<float>{1, 2, 3}));
}

TEST(TrainState, EmaAsDiffusers) {
  size_t compared = 0;
  for (const nlohmann::json &table : test::rows("trainer.json", "ema")) {
    auto initial = table["initial"].get<std::vector<float>>();
    std::vector<AdapterModule> adapter{{"x", static_cast<int64_t>(initial.size()), 0, 1, 1, initial, {}}};
    TrainState state = TrainState::start(adapter, true);
    int64_t step = 0;
    for (const nlohmann::json &row : table["steps"]) {
      state.adapter[0].a = row["parameter"].get<std::vector<float>>();
      updateEma(state.ema, state.adapter, ++step, table["decay"]);
      auto want = row["average"].get<std::vector<float>>();
      for (size_t i = 0; i < want.size(); ++i, ++compared)
        EXPECT_FLOAT_EQ(state.ema[0][i], want[i]) << "step " << step;
    }
  }
  EXPECT_GT(compared, 300u);
}

} // namespace
} // namespace hb
