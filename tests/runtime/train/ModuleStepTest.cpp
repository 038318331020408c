#include "runtime/train/ModuleStep.h"

#include "runtime/base/MappedFile.h"
#include "runtime/pipeline/Preprocess.h"
#include "runtime/pipeline/Random.h"
#include "runtime/train/SampleDraws.h"
#include "runtime/train/Trainer.h"
#include "tests/runtime/base/ScratchFolder.h"
#include "tests/runtime/module/ModuleText.h"

#include <bit>
#include <cstring>

namespace hb {
namespace {

using test::contentsOf;
using test::expectError;

/// A module whose training entry copies its inputs into its outputs, so that a test sees what it was given: gradients of three layers show
/// ids and mask, noise and sizes, context and pooled condition.
nlohmann::json echoHeader() {
  nlohmann::json header = test::smallHeader();
  header["adapters"] = {{{"scope", "unet"},
                         {"rank", 2},
                         {"targets", {"to_k", "to_q", "to_v"}},
                         {"sites", {{{"path", "b.to_v"}, {"in", 64}, {"out", 6}}, {{"path", "b.to_q"}, {"in", 4}, {"out", 2}}, {{"path", "a.to_k"}, {"in", 16}, {"out", 16}}}},
                         {"linears", {{{"path", "b.to_v"}, {"in", 64}, {"out", 6}}, {{"path", "b.to_q"}, {"in", 4}, {"out", 2}}, {{"path", "a.to_k"}, {"in", 16}, {"out", 16}}}}}};
  auto tensor = [](const char *name, const char *dtype, std::vector<int64_t> shape) { return nlohmann::json{{"name", name}, {"dtype", dtype}, {"shape", shape}}; };
  auto copy = [](int input, int output, int bytes) { return nlohmann::json{"copy", {"i", input}, {"o", output}, bytes}; };
  nlohmann::json weight = tensor("toy.weight", "F32", nlohmann::json::array());
  weight["default"] = 2;
  header["targets"][0]["programs"] = nlohmann::json::array();
  for (const char *name : {"text_encoder.text_encode", "text_encoder_2.text_encode"})
    header["targets"][0]["programs"].push_back({{"name", name},
                                  {"arena_bytes", 64},
                                  {"lower_bound_bytes", 0},
                                  {"inputs", {tensor("input_ids", "I64", {1, 8})}},
                                  {"outputs", {tensor("penultimate_hidden_state", "F32", {1, 8, 2}), tensor("pooled", "F32", {1, 3})}},
                                  {"commands", {copy(0, 0, 64), copy(0, 1, 12)}}});
  header["targets"][0]["programs"].push_back({{"name", "image_encoder.image_encode"},
                                {"arena_bytes", 64},
                                {"lower_bound_bytes", 0},
                                {"inputs", {tensor("pixel_values", "F32", {1, 3, 2, 2})}},
                                {"outputs", {tensor("image_embeds", "F32", {1, 3})}},
                                {"commands", {copy(0, 0, 12)}}});
  header["targets"][0]["programs"].push_back(
      {{"name", "hummingbird_loss_and_grad"},
       {"arena_bytes", 64},
       {"lower_bound_bytes", 0},
       {"inputs",
        {tensor("latents", "F32", {2, 1, 2, 2}), tensor("encoder_hidden_states", "F32", {4, 8, 4}), tensor("text_embeds", "F32", {4, 3}), tensor("time_ids", "F32", {4, 6}),
         tensor("guidance_scale", "F32", nlohmann::json::array()), tensor("toy.input_ids", "I64", {2, 8}), tensor("toy.attention_mask", "I64", {2, 8}), tensor("toy.reference", "F32", {2, 3, 2, 2}), weight}},
       {"outputs",
        {tensor("loss", "F32", nlohmann::json::array()), tensor("reward.toy", "F32", {2}), tensor("image", "F32", {2, 3, 2, 2}), tensor("grad.a.to_k.lora_A.weight", "F32", {2, 16}),
         tensor("grad.a.to_k.lora_B.weight", "F32", {16, 2}), tensor("grad.b.to_q.lora_A.weight", "F32", {2, 4}), tensor("grad.b.to_q.lora_B.weight", "F32", {2, 2}),
         tensor("grad.b.to_v.lora_A.weight", "F32", {2, 64}), tensor("grad.b.to_v.lora_B.weight", "F32", {6, 2})}},
       {"commands", {copy(4, 0, 4), copy(8, 1, 4), copy(7, 2, 96), copy(5, 3, 128), copy(6, 4, 128), copy(0, 5, 32), copy(3, 6, 16), copy(1, 7, 512), copy(2, 8, 48)}}});
  std::string shapes = HB_SHAPES;
  nlohmann::json clip;
  for (const char *name : {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"})
    clip[name] = contentsOf(shapes + "/tokenizer/" + name);
  header["pipeline"] = {{"files", {{"tokenizer", clip}, {"tokenizer_2", clip}, {"toy", {{"vocab.txt", contentsOf(shapes + "/rewards/blip2/vocab.txt")}}}}}};
  return header;
}

class ModuleStepTest : public testing::Test {
protected:
  ModuleStepTest() {
    Image picture{3, 4, std::vector<uint8_t>(36)};
    for (size_t i = 0; i < picture.rgb.size(); ++i)
      picture.rgb[i] = static_cast<uint8_t>(7 * i);
    picture_ = picture;
    writePng(folder_.path("a.png"), picture);
    manifest_ = Manifest::parse("{\"image\": \"a.png\", \"prompt\": \"a red square\", \"seed\": 5}\n{\"image\": \"a.png\", \"prompt\": \"x\", \"context_description\": \"two blue circles\", \"seed\": 6}\n", folder_.path("m.jsonl"));
    setHeader(echoHeader());
  }
  void setHeader(nlohmann::json header) {
    std::string code = contentsOf(HB_TWICE_LIBRARY);
    // The same programs for both kinds of device: they have no kernels of their own.
    const std::string ptx = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry nothing()\n{\n  ret;\n}\n";
    const size_t codeEnd = (64 + code.size() + 63) / 64 * 64;
    std::string blobs = std::string(64, '\0') + code;
    blobs.resize(codeEnd);
    nlohmann::json cuda = header["targets"][0];
    cuda["name"] = "cuda:sm_80";
    cuda["kernels"] = nlohmann::json::array();
    cuda["code"] = {{{"target", "cuda:sm_80"}, {"cpu", "ptx"}, {"offset", codeEnd}, {"size", ptx.size()}}};
    header["targets"].push_back(cuda);
    header["targets"][0]["code"] = {{{"target", "x86-64"}, {"cpu", "test"}, {"features", nlohmann::json::array()}, {"offset", 64}, {"size", code.size()}}};
    test::writeBytes(folder_.path("m.hbm"), test::moduleBytes(header.dump(), blobs + ptx));
  }
  TrainConfig config(std::vector<ConfigOverride> more = {}) {
    std::vector<ConfigOverride> all = {{"model.compiled", folder_.path("m.hbm")}, {"data.manifest", "m.jsonl"}, {"checkpoint.output_dir", folder_.path("out")}, {"train.max_train_steps", "2"}, {"adapter.rank", "2"}};
    all.insert(all.end(), more.begin(), more.end());
    return parseTrainConfig("", "train.toml", all);
  }
  TrainBatch batch() const { return {{&manifest_.records[0], &manifest_.records[1]}, 0, true}; }

  test::ScratchFolder folder_;
  Image picture_;
  Manifest manifest_;
};

std::vector<int64_t> idsIn(std::span<const float> values) {
  std::vector<int64_t> ids(values.size() / 2);
  std::memcpy(ids.data(), values.data(), values.size_bytes());
  return ids;
}

class ModuleStepOnDeviceTest : public ModuleStepTest, public testing::WithParamInterface<const char *> {};

TEST_P(ModuleStepOnDeviceTest, GivesTheProgramWhatAlgorithmOneSays) {
  TrainConfig c = config({{"sampler.seed", "-1"}, {"sampler.guidance_scale", "7.5"}, {"rewards.toy", "3"}});
  SessionOptions options;
  options.threads = 1;
  options.device = GetParam();
  Session session(c.model.compiled, options);
  ModuleStep step(session, c);
  EXPECT_EQ(step.batch(), 2);
  ASSERT_EQ(step.notes().size(), 1u) << "no dropout in this module";
  std::vector<std::string> warnings;
  step.setAdapter(step.startAdapter(warnings));
  BatchResult result = step.run(batch(), true);
  EXPECT_EQ(result.loss, 7.5) << "guidance";
  ASSERT_EQ(result.gradients.size(), 6u);
  // Layers in PEFT's order: a.to_k, b.to_q, b.to_v.
  std::string shapes = HB_SHAPES;
  BertTokenizer bert = BertTokenizer::read(shapes + "/rewards/blip2");
  std::vector<int64_t> ids, mask;
  for (const char *text : {"a red square", "two blue circles"}) {
    std::vector<int32_t> row = bert.encode(blipCaption(text), 8);
    EXPECT_LT(row.size(), 8u);
    for (size_t i = 0; i < 8; ++i) {
      ids.push_back(i < row.size() ? row[i] : bert.padId());
      mask.push_back(i < row.size());
    }
  }
  EXPECT_EQ(idsIn(result.gradients[0]), ids);
  EXPECT_EQ(idsIn(result.gradients[1]), mask);
  // Each row's noise from a generator of its own, seeded by the record.
  for (size_t row = 0; row < 2; ++row) {
    std::vector<float> noise(4);
    CpuGenerator(row == 0 ? 5 : 6).normal(std::span<float>(noise));
    EXPECT_TRUE(std::equal(noise.begin(), noise.end(), result.gradients[2].begin() + static_cast<ptrdiff_t>(row * 4)));
  }
  EXPECT_EQ(std::vector<float>(result.gradients[3].begin(), result.gradients[3].end()), (std::vector<float>{2, 2, 0, 0})) << "sizes of a 2×2 picture";
  // The unconditional half is zeros; then both encoders' states side by side.
  std::span<const float> context = result.gradients[4];
  EXPECT_TRUE(std::all_of(context.begin(), context.begin() + 64, [](float v) { return v == 0; }));
  std::vector<int32_t> clip = ClipTokenizer::read(shapes + "/tokenizer").encodePadded("two blue circles", 8);
  for (size_t t = 0; t < 8; ++t)
    for (size_t encoder = 0; encoder < 2; ++encoder)
      EXPECT_EQ(idsIn(context.subspan(96 + t * 4 + encoder * 2, 2))[0], clip[t]) << t;
  // The pooled condition is the reference's embedding: the first pixels of the squashed picture; its unconditional half is zeros.
  std::vector<float> squashed = squashPixels({picture_.rgb.data(), 3, 4}, 2);
  std::span<const float> pooled = result.gradients[5];
  EXPECT_TRUE(std::all_of(pooled.begin(), pooled.begin() + 6, [](float v) { return v == 0; }));
  EXPECT_TRUE(std::equal(squashed.begin(), squashed.begin() + 3, pooled.begin() + 6));
  EXPECT_EQ(result.rewards[0].values[0], 3) << "the configured weight";
  ASSERT_EQ(result.images.size(), 2u);
  EXPECT_EQ(result.images[1].width, 2);
}

INSTANTIATE_TEST_SUITE_P(On, ModuleStepOnDeviceTest, testing::Values("cpu", "cuda:sim"));

TEST_F(ModuleStepTest, OneSeedForEverySampleAndSmallerRanks) {
  TrainConfig c = config({{"adapter.rank", "1"}, {"adapter.targets", "to_q,to_k"}});
  Session session(c.model.compiled, {"", 1});
  ModuleStep step(session, c);
  std::vector<std::string> warnings;
  std::vector<AdapterModule> adapter = step.startAdapter(warnings);
  ASSERT_EQ(adapter.size(), 2u);
  EXPECT_EQ(adapter[0].scale, 32);
  step.setAdapter(adapter);
  BatchResult result = step.run(batch(), false);
  EXPECT_EQ(result.gradients[0].size(), 16u) << "the first row of A";
  EXPECT_EQ(result.gradients[1].size(), 16u) << "the first column of B";
  EXPECT_EQ(std::bit_cast<int32_t>(result.gradients[1][0]), 1) << "each i64 of the mask is a row; its low half the first column";
  std::vector<float> noise(4);
  CpuGenerator(93).normal(std::span<float>(noise));
  EXPECT_TRUE(std::equal(noise.begin(), noise.end(), result.gradients[2].begin()));
  EXPECT_TRUE(result.images.empty());
}

TEST_F(ModuleStepTest, TrainsAndStartsFromAnAdapter) {
  TrainConfig c = config({{"train.gradient_accumulation_steps", "1"}});
  Session session(c.model.compiled, {"", 1});
  ModuleStep step(session, c);
  std::vector<std::string> warnings;
  Trainer trainer(c, step, manifest_, nullptr, step.startAdapter(warnings), step.targetModules());
  // Ids read as floats are tiny, never infinite, so the echo passes for a gradient.
  EXPECT_EQ(trainer.run(), TrainEnd::Finished);
  TrainConfig again = config({{"adapter.resume_from", folder_.path("out/final")}, {"adapter.alpha", "32"}});
  EXPECT_EQ(ModuleStep(session, again).startAdapter(warnings)[1].b, trainer.state().adapter[1].b);
  TrainConfig other = config({{"adapter.resume_from", folder_.path("out/final")}, {"adapter.alpha", "8"}});
  expectError(659, [&] { ModuleStep(session, other).startAdapter(warnings); }, {"adapter.alpha", "scale 16"});
}

TEST_F(ModuleStepTest, ContradictionsNameBothValues) {
  auto make = [&](std::vector<ConfigOverride> settings) {
    return [=, this] {
      TrainConfig c = config(settings);
      Session session(c.model.compiled, {"", 1});
      ModuleStep step(session, c);
    };
  };
  expectError(659, make({{"adapter.rank", "16"}}), {"at most 2", "16", "--lora-rank 16"});
  expectError(659, make({{"adapter.targets", "ff.net.0.proj"}}), {"to_k,to_q,to_v"});
  expectError(659, make({{"rewards.toi", "3"}}), {"rewards.toi", "did you mean 'toy'"});
  expectError(659, make({{"rewards.kl", "0.5"}}), {"rewards.kl", "0.5"});
  expectError(659, make({{"adapter.dropout", "0.1"}}), {"adapter.dropout", "0.1"});
  make({{"adapter.dropout", "0"}, {"rewards.pickscore", "0"}})();
  nlohmann::json header = echoHeader();
  header["adapters"] = nlohmann::json::array();
  setHeader(header);
  expectError(658, make({}), {"--lora-rank"});
  header = echoHeader();
  header["targets"][0]["programs"].erase(3);
  setHeader(header);
  expectError(658, make({}), {"hummingbird_loss_and_grad"});
  header = echoHeader();
  header["pipeline"]["files"].erase("toy");
  setHeader(header);
  expectError(644, make({}), {"toy"});
}

TEST_F(ModuleStepTest, DrawsForEverySample) {
  nlohmann::json header = echoHeader(), &program = header["targets"][0]["programs"][3], none = nlohmann::json::array();
  for (auto [name, dtype, shape] : {std::tuple<const char *, const char *, nlohmann::json>{"dropout", "F32", none}, {"dropout_seed", "I64", none}, {"grad_steps", "I64", {2}},
                                    {"lv_noise", "F32", {2, 2, 1, 2, 2}}, {"kl.weight", "F32", none}})
    program["inputs"].push_back({{"name", name}, {"dtype", dtype}, {"shape", shape}});
  auto copy = [](int input, int output, int bytes) { return nlohmann::json{"copy", {"i", input}, {"o", output}, bytes}; };
  program["commands"] = {copy(9, 0, 4), copy(13, 1, 4), copy(12, 3, 64), copy(11, 4, 16), copy(10, 5, 8)};
  setHeader(header);
  TrainConfig c = config({{"adapter.dropout", "0.25"}, {"rewards.kl", "7"}, {"train.seed", "93"}});
  Session old(c.model.compiled, {"", 1});
  expectError(658, [&] { ModuleStep(old, c); }, {"--truncation"});
  header["training"] = {{"truncation", {3, 9}}};
  setHeader(header);
  Session session(c.model.compiled, {"", 1});
  ModuleStep step(session, c);
  EXPECT_TRUE(step.notes().empty() || step.notes()[0].find("dropout") == std::string::npos);
  std::vector<std::string> warnings;
  step.setAdapter(step.startAdapter(warnings));
  TrainBatch positioned = batch();
  positioned.firstSample = 40;
  BatchResult result = step.run(positioned, false);
  EXPECT_EQ(result.loss, 0.25) << "the probability";
  EXPECT_EQ(result.rewards[0].values[0], 7) << "the weight of the KL term";
  // [noise, row, …], one stream for each row.
  for (int64_t row = 0; row < 2; ++row) {
    CpuGenerator stream(drawBits(93, 40 + row, Draw::LowVarianceNoise));
    for (int64_t noise = 0; noise < 2; ++noise) {
      std::vector<float> values(4);
      stream.normal(std::span<float>(values));
      EXPECT_TRUE(std::equal(values.begin(), values.end(), result.gradients[0].begin() + (noise * 2 + row) * 4));
    }
  }
  EXPECT_EQ(idsIn(result.gradients[1].first(4)), (std::vector<int64_t>{drawBetween(93, 40, Draw::GradSteps, 3, 9), drawBetween(93, 41, Draw::GradSteps, 3, 9)}));
  EXPECT_EQ(idsIn(result.gradients[2].first(2))[0], drawSeed(93, 40, Draw::Dropout));
  positioned.training = false;
  EXPECT_EQ(step.run(positioned, false).loss, 0) << "no dropout in validation";
}

TEST_F(ModuleStepTest, PicturesAreLookedForBeforeAnythingRuns) {
  requireImages(manifest_);
  Manifest missing = Manifest::parse("{\"image\": \"a.png\", \"prompt\": \"p\"}\n{\"image\": \"b.png\", \"prompt\": \"p\"}\n", folder_.path("m.jsonl"));
  expectError(655, [&] { requireImages(missing); }, {"m.jsonl:2", "b.png"});
}

} // namespace
} // namespace hb
