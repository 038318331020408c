// Adapters that must be refused, each with the words a user needs.
#include "tests/runtime/formats/AdapterFixture.h"

#include <limits>

namespace hb {
namespace {

using namespace test;

const std::string kFile = "adapter_model.safetensors", kA = kQuery + ".lora_A.weight", kB = kQuery + ".lora_B.weight";

/// Loads a PEFT folder with these tensors and expects the error.
void expectRefused(int number, const std::vector<OwnedTensor> &tensors, const std::vector<std::string> &words, const std::string &config = kPeftConfig,
                   AdapterTarget target = smallTarget()) {
  ScratchFolder folder;
  std::string path = writePeft(folder, tensors, config);
  expectError(
      number, [&] { loadAdapter(path, target); }, words);
}

TEST(AdapterErrors, TheSoundOneLoads) {
  ScratchFolder folder;
  EXPECT_EQ(loadAdapter(writePeft(folder, soundPeft()), smallTarget()).modules.size(), 2u);
}

TEST(AdapterErrors, WrongShapes) {
  auto with = [](size_t index, std::vector<int64_t> shape) {
    auto tensors = soundPeft();
    tensors[index] = OwnedTensor(tensors[index].name, shape);
    return tensors;
  };
  expectRefused(308, with(0, {2, 9}), {kFile, kA, "6", "[2, 9]"});
  expectRefused(308, with(1, {2, 4}), {kFile, kB, "[2, 4]"});
  expectRefused(308, with(1, {4, 3}), {kFile, kB, kA, "[4, 3]"});
  expectRefused(308, with(0, {12}), {kA});
  expectRefused(308, with(0, {2, 6, 3, 3}), {kA});
  expectRefused(308, with(0, {0, 6}), {kA});
  expectRefused(308, with(0, {}), {kA});
}

TEST(AdapterErrors, RankAgainstConfig) { expectRefused(308, soundPeft(), {kA, "rank 1"}, R"({"r": 1, "lora_alpha": 8})"); }

TEST(AdapterErrors, MissingPartner) {
  auto tensors = soundPeft();
  tensors.erase(tensors.begin() + 1);
  expectRefused(307, tensors, {kFile, kB});
  tensors = soundPeft();
  tensors.erase(tensors.begin());
  expectRefused(307, tensors, {kFile, kA});
  ScratchFolder folder;
  writeTensors(folder.path("k.safetensors"), {{"lora_unet_conv_in.alpha", {}}});
  expectError(307, [&] { loadAdapter(folder.path("k.safetensors"), smallTarget()); }, {"lora_unet_conv_in.alpha"});
  writeTensors(folder.path("k.safetensors"), {{"unet.conv_in.lora.up.weight", {2, 2}}});
  expectError(307, [&] { loadAdapter(folder.path("k.safetensors"), smallTarget()); }, {"unet.conv_in.lora.down.weight"});
}

TEST(AdapterErrors, ValuesThatAreNoNumbers) {
  for (float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    auto tensors = soundPeft();
    tensors[1].values[5] = value;
    expectRefused(313, tensors, {kFile, kB, "element 5"});
  }
}

TEST(AdapterErrors, ModulesTheNetworkDoesNotHave) {
  auto tensors = soundPeft();
  for (auto &tensor : peftPair("down_blocks.9.attentions.0.to_q", 6, 4, 2))
    tensors.push_back(tensor);
  expectRefused(310, tensors, {kFile, "down_blocks.9"});
  expectRefused(310, peftPair("bricks.to_q", 6, 4, 2), {kFile, "bricks.to_q", "no other tensor"});
  ScratchFolder folder;
  writeTensors(folder.path("k.safetensors"), {{"lora_unet_bricks_to_q.lora_down.weight", {2, 6}}, {"lora_unet_bricks_to_q.lora_up.weight", {4, 2}}});
  expectError(310, [&] { loadAdapter(folder.path("k.safetensors"), smallTarget()); }, {"lora_unet_bricks_to_q"});
}

TEST(AdapterErrors, NothingInsideTheTargets) {
  expectRefused(311, peftPair(kOut, 3, 3, 2), {kFile, "--lora-targets", kOut});
  ScratchFolder folder;
  writeTensors(folder.path("t.safetensors"), {{"text_encoder.a.lora_A.weight", {2, 6}}, {"text_encoder.a.lora_B.weight", {4, 2}}});
  expectError(311, [&] { loadAdapter(folder.path("t.safetensors"), smallTarget()); }, {"text_encoder.a"});
}

TEST(AdapterErrors, RankAboveTheSlot) {
  auto tensors = peftPair(kQuery, 6, 4, 8);
  expectRefused(314, tensors, {kFile, "rank 8", "rank 2", "--lora-rank 8"}, R"({"r": 8, "lora_alpha": 8})");
  AdapterTarget none = smallTarget(0);
  none.sites.clear();
  expectRefused(314, soundPeft(), {"--lora-rank 2"}, kPeftConfig, none);
  expectRefused(314, soundPeft(), {"--lora-rank 2"}, kPeftConfig, smallTarget(0));
}

TEST(AdapterErrors, OtherKinds) {
  struct {
    const char *config, *word;
  } rows[] = {{R"({"peft_type": "LOHA"})", "LOHA"},
              {R"({"r": 2, "use_dora": true})", "DoRA"},
              {R"({"r": 2, "bias": "all"})", "bias"},
              {R"({"r": 2, "modules_to_save": ["conv_in"]})", "modules_to_save"},
              {R"({"r": 2, "init_lora_weights": "pissa_niter_4"})", "pissa"},
              {R"({"r": 2, "lora_bias": true})", "lora_bias"}};
  for (auto &row : rows)
    expectRefused(305, soundPeft(), {"adapter_config.json", row.word}, row.config);
  auto tensors = soundPeft();
  tensors.emplace_back(kPeftPrefix + kQuery + ".lora_magnitude_vector", std::vector<int64_t>{4});
  expectRefused(305, tensors, {kFile, "lora_magnitude_vector", "DoRA"});
  ScratchFolder folder;
  writeTensors(folder.path("k.safetensors"), {{"lora_unet_conv_in.hada_w1_a", {2, 2}}});
  expectError(305, [&] { loadAdapter(folder.path("k.safetensors"), smallTarget()); }, {"lora_unet_conv_in.hada_w1_a", "LoHa"});
}

TEST(AdapterErrors, BrokenConfigs) {
  expectRefused(302, soundPeft(), {"adapter_config.json"}, "{");
  expectRefused(303, soundPeft(), {"adapter_config.json"}, "[]");
  expectRefused(303, soundPeft(), {"adapter_config.json", "\"r\""}, R"({"r": "two"})");
  expectRefused(303, soundPeft(), {"adapter_config.json", "\"r\""}, R"({"r": 0})");
  expectRefused(303, soundPeft(), {"lora_alpha"}, R"({"r": 2, "lora_alpha": []})");
  expectRefused(303, soundPeft(), {"rank_pattern"}, R"({"r": 2, "rank_pattern": {"to_q": "x"}})");
  expectRefused(303, soundPeft(), {"alpha_pattern", "to_.*"}, R"({"r": 2, "alpha_pattern": {"to_.*": 1}})");
  ScratchFolder folder;
  std::string path = writePeft(folder, soundPeft());
  std::filesystem::remove(path + "/adapter_config.json");
  expectError(301, [&] { loadAdapter(path, smallTarget()); }, {kFile, "adapter_config.json"});
  writeTensors(folder.path("m.safetensors"), {{"unet." + kA, {2, 6}}, {"unet." + kB, {4, 2}}}, {{"lora_adapter_metadata", "{\"unet.r\": "}});
  expectError(302, [&] { loadAdapter(folder.path("m.safetensors"), smallTarget()); }, {"m.safetensors", "lora_adapter_metadata"});
  writeTensors(folder.path("m.safetensors"), {{"unet." + kA, {2, 6}}, {"unet." + kB, {4, 2}}}, {{"lora_adapter_metadata", "{\"unet.r\": 7}"}});
  expectError(308, [&] { loadAdapter(folder.path("m.safetensors"), smallTarget()); }, {kA});
}

TEST(AdapterErrors, NotAnAdapter) {
  ScratchFolder folder;
  writeTensors(folder.path("k.safetensors"), {{"down_blocks.0.weight", {2, 2}}});
  expectError(304, [&] { loadAdapter(folder.path("k.safetensors"), smallTarget()); }, {"k.safetensors", "down_blocks.0.weight"});
  writeTensors(folder.path("k.safetensors"), {});
  expectError(304, [&] { loadAdapter(folder.path("k.safetensors"), smallTarget()); }, {"k.safetensors"});
  expectError(902, [&] { loadAdapter(folder.path("missing"), smallTarget()); }, {"missing"});
  std::filesystem::create_directory(folder.path("empty"));
  expectError(301, [&] { loadAdapter(folder.path("empty"), smallTarget()); }, {"empty"});
  folder.write("bad/adapter_model.safetensors", "{}");
  expectError(210, [&] { loadAdapter(folder.path("bad"), smallTarget()); }, {kFile});
}

TEST(AdapterErrors, OneModuleTwice) {
  auto tensors = soundPeft();
  for (auto &tensor : peftPair(kQuery, 6, 4, 2)) {
    tensor.name = "unet." + tensor.name.substr(kPeftPrefix.size());
    tensors.push_back(tensor);
  }
  expectRefused(306, tensors, {kFile, kQuery, "unet." + kQuery});
  ScratchFolder folder;
  writeTensors(folder.path("k.safetensors"), {{"unet." + kA, {2, 6}}, {"unet." + kB, {4, 2}}, {"unet." + kQuery + ".lora.down.weight", {2, 6}}});
  expectError(306, [&] { loadAdapter(folder.path("k.safetensors"), smallTarget()); }, {kA, "lora.down.weight"});
}

TEST(AdapterErrors, IntegersAreNoFactors) {
  ScratchFolder folder;
  int64_t values[12] = {};
  writeSafetensors(folder.path("k.safetensors"), {{"unet." + kA, DType::I64, {2, 6}, values}, {"unet." + kB, DType::I64, {4, 2}, values}});
  expectError(309, [&] { loadAdapter(folder.path("k.safetensors"), smallTarget()); }, {kA, "I64"});
}

} // namespace
} // namespace hb
