#include "runtime/pipeline/Scoring.h"

#include "tests/runtime/base/ScratchFolder.h"
#include "tests/runtime/module/ModuleText.h"

namespace hb::test {
namespace {

/// Reward entries without kernels: their score is the first number of an input.
class ScoringTest : public testing::Test {
protected:
  std::string module(const std::vector<nlohmann::json> &programs, const nlohmann::json &pipeline = nullptr) {
    std::string code = contentsOf(HB_TWICE_LIBRARY);
    nlohmann::json header = smallHeader();
    header["targets"][0]["programs"] = programs;
    header["pipeline"] = pipeline;
    header["targets"][0]["code"] = {{{"target", "x86-64"}, {"cpu", "test"}, {"features", nlohmann::json::array()}, {"offset", 64}, {"size", code.size()}}};
    writeBytes(folder_.path("m.hbm"), moduleBytes(header.dump(), std::string(64, '\0') + code));
    return folder_.path("m.hbm");
  }
  static nlohmann::json program(const std::string &name, const std::vector<std::string> &pictures, const std::vector<std::string> &outputs, size_t source, bool text = false) {
    nlohmann::json inputs = nlohmann::json::array(), results = inputs, commands = inputs;
    for (const std::string &picture : pictures)
      inputs.push_back({{"name", picture}, {"dtype", "F32"}, {"shape", {1, 3, 2, 2}}});
    if (text)
      for (const char *ids : {"input_ids", "attention_mask"})
        inputs.push_back({{"name", ids}, {"dtype", "I64"}, {"shape", {1, 6}}});
    for (size_t i = 0; i < outputs.size(); ++i) {
      results.push_back({{"name", outputs[i]}, {"dtype", "F32"}, {"shape", {1}}});
      commands.push_back({"copy", {"i", source}, {"o", i}, 4});
    }
    return {{"name", name}, {"arena_bytes", 64}, {"lower_bound_bytes", 0}, {"inputs", inputs}, {"outputs", results}, {"commands", commands}};
  }
  static Image picture(int width, int height, uint8_t value) { return {width, height, std::vector<uint8_t>(width * height * 3, value)}; }

  ScratchFolder folder_;
};

TEST_F(ScoringTest, EveryRewardOfTheModule) {
  nlohmann::json files = {{"files", {{"", {{"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nred\n"}}}}}};
  Session session(module({program("aesthetic_score", {"image"}, {"score"}, 0), program("clip_image_similarity", {"image", "reference"}, {"cosine"}, 1),
                          program("blip2_reward", {"image"}, {"itc", "itm"}, 0, true)},
                         files),
                  {});
  ScoreResult result = scorePicture(session, {picture(2, 2, 51), picture(2, 2, 102), "a RED!"});
  EXPECT_TRUE(result.notes.empty());
  std::vector<std::pair<std::string, float>> got;
  for (const Score &score : result.scores)
    got.push_back({score.name, static_cast<float>(score.value)});
  float a = 51 / 255.0f, b = 102 / 255.0f;
  EXPECT_EQ(got, (std::vector<std::pair<std::string, float>>{{"aesthetic", a}, {"clip_image", b}, {"blip2", 2 * a}, {"blip2_itc", a}, {"blip2_itm", a}}));
}

TEST_F(ScoringTest, RewardsOfAPipelineKeepTheirNames) {
  nlohmann::json scores = program("score", {"image"}, {"reward.pickscore", "reward.blip2"}, 0);
  scores["inputs"].push_back({{"name", "blip2.input_ids"}, {"dtype", "I64"}, {"shape", {1, 6}}});
  scores["inputs"].push_back({{"name", "blip2.attention_mask"}, {"dtype", "I64"}, {"shape", {1, 6}}});
  nlohmann::json files = {{"files", {{"blip2", {{"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nred\n"}}}}}};
  Session session(module({scores}, files), {});
  ScoreResult result = scorePicture(session, {picture(2, 2, 51), std::nullopt, "a red"});
  ASSERT_EQ(result.scores.size(), 2u);
  EXPECT_EQ(result.scores[0].name, "pickscore");
  EXPECT_EQ(result.scores[1].name, "blip2");
  EXPECT_EQ(static_cast<float>(result.scores[1].value), 51 / 255.0f);

  nlohmann::json comparing = program("score", {"image", "clip_image.reference"}, {"reward.clip_image"}, 1);
  Session pair(module({comparing}), {});
  EXPECT_NE(scorePicture(pair, {picture(2, 2, 51), std::nullopt, "a red"}).notes.at(0).find("no reference picture"), std::string::npos);
  EXPECT_EQ(static_cast<float>(scorePicture(pair, {picture(2, 2, 51), picture(2, 2, 102), "a red"}).scores.at(0).value), 102 / 255.0f);
}

TEST_F(ScoringTest, OtherSizesAndMissingReferencesAreSaid) {
  Session session(module({program("aesthetic_score", {"image"}, {"score"}, 0), program("clip_image_similarity", {"image", "reference"}, {"cosine"}, 1)}), {});
  ScoreResult result = scorePicture(session, {picture(9, 5, 255), std::nullopt, ""});
  ASSERT_EQ(result.scores.size(), 1u);
  EXPECT_EQ(result.scores[0].value, 1);
  ASSERT_EQ(result.notes.size(), 2u);
  EXPECT_NE(result.notes[0].find("from 9x5 to 2x2"), std::string::npos);
  EXPECT_NE(result.notes[1].find("clip_image_similarity"), std::string::npos);
}

TEST_F(ScoringTest, NoRewardsNoTokenizer) {
  expectError(643, [&] {
    Session session(module({program("unet", {"image"}, {"score"}, 0)}), {});
    scorePicture(session, {picture(2, 2, 0), std::nullopt, "x"});
  });
  expectError(644, [&] {
    Session session(module({program("blip2_reward", {"image"}, {"itc", "itm"}, 0, true)}), {});
    scorePicture(session, {picture(2, 2, 0), std::nullopt, "x"});
  }, {"vocab.txt"});
}

} // namespace
} // namespace hb::test
