#include "runtime/formats/Adapter.h"
#include "runtime/formats/AdapterWriter.h"
#include "tests/runtime/formats/AdapterFixture.h"

#include <nlohmann/json.hpp>

#include <regex>

namespace hb {
namespace {

using namespace test;

std::string testData(const std::string &name) { return std::string(HB_FORMATS_DATA) + "/" + name; }
std::string data(const std::string &name) { return testData("adapters/" + name); }

/// The target of the stored adapters: slots for all their modules in a network with SDXL's names.
AdapterTarget storedTarget() {
  AdapterTarget target;
  target.maxRank = 2;
  const char *cross[] = {"down_blocks.1.attentions.0", "mid_block.attentions.0", "up_blocks.0.attentions.2", "up_blocks.1.attentions.1"};
  const int64_t widths[] = {32, 48, 48, 32};
  for (int i = 0; i < 4; ++i) {
    std::string block = std::string(cross[i]) + ".transformer_blocks.0";
    target.sites.push_back({block + ".attn1.to_q", widths[i], widths[i]});
    target.sites.push_back({block + ".attn2.to_v", 40, widths[i]});
  }
  target.sites.push_back({"down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj", 32, 256});
  return target;
}

TEST(Adapter, ReadsPeftValues) {
  Adapter adapter = loadAdapter(testData("peft"), storedTarget());
  ASSERT_EQ(adapter.modules.size(), 9u);
  EXPECT_EQ(adapter.rank, 2);
  EXPECT_TRUE(adapter.warnings.empty());
  for (const AdapterModule &module : adapter.modules) {
    EXPECT_EQ(module.scale, 4.0) << "alpha 8 over rank 2";
    EXPECT_EQ(module.a.size(), static_cast<size_t>(module.rank * module.in));
    EXPECT_EQ(module.b.size(), static_cast<size_t>(module.rank * module.out));
  }
  auto file = SafetensorsFile::open(testData("peft/adapter_model.safetensors"));
  const AdapterModule &first = adapter.modules[0];
  EXPECT_EQ(first.path, "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q");
  EXPECT_EQ(first.a, file.readFloats(*file.find(kPeftPrefix + first.path + ".lora_A.weight")));
  EXPECT_EQ(first.b, file.readFloats(*file.find(kPeftPrefix + first.path + ".lora_B.weight")));
}

TEST(Adapter, SevenSpellingsOfOneAdapterAreTheSameNumbers) {
  // Files written by the libraries' own code; the f16 one differs by the rounding of its storage.
  Adapter reference = loadAdapter(testData("peft"), storedTarget());
  for (const char *name : {"diffusers_folded", "diffusers_down_up", "diffusers_metadata", "kohya", "kohya_sgm", "kohya_f16"}) {
    std::string path = data(name) + ".safetensors";
    double limit = std::string(name) == "kohya_f16" ? 0x1p-11 : 1e-7;
    EXPECT_LE(distance(reference, loadAdapter(path, storedTarget())), limit) << name;
    EXPECT_LE(distance(reference, readAdapter(path)), limit) << name << " without a network";
  }
}

TEST(Adapter, OldAttentionProcessorSpelling) {
  ScratchFolder folder;
  auto file = SafetensorsFile::open(data("diffusers_down_up.safetensors"));
  std::vector<OwnedTensor> tensors;
  for (const TensorInfo &info : file.tensors()) {
    if (info.name.find("attn") == std::string::npos)
      continue;
    // ….attn1.to_q.lora.down.weight → ….attn1.processor.to_q_lora.down.weight
    OwnedTensor tensor(std::regex_replace(info.name, std::regex("(attn[12])\\.(to_[qv])\\.lora\\."), "$1.processor.$2_lora."), info.shape);
    tensor.values = file.readFloats(info);
    tensors.push_back(tensor);
  }
  writeTensors(folder.path("old.safetensors"), tensors);
  Adapter old = loadAdapter(folder.path("old.safetensors"), storedTarget()), reference = loadAdapter(testData("peft"), storedTarget());
  std::erase_if(reference.modules, [](const AdapterModule &module) { return module.path.find("attn") == std::string::npos; });
  EXPECT_EQ(old.modules.size(), 8u);
  EXPECT_LE(distance(reference, old), 1e-7);
}

TEST(Adapter, FoldersOfOtherLibraries) {
  ScratchFolder folder;
  auto copy = [&](const std::string &from, const std::string &to) { return folder.write(to, contentsOf(data(from))); };
  Adapter reference = loadAdapter(testData("peft"), storedTarget());
  copy("diffusers_folded.safetensors", "d/pytorch_lora_weights.safetensors");
  EXPECT_LE(distance(reference, loadAdapter(folder.path("d"), storedTarget())), 1e-7);
  copy("kohya.safetensors", "k/my style.safetensors");
  EXPECT_LE(distance(reference, loadAdapter(folder.path("k"), storedTarget())), 1e-7);
  copy("kohya.safetensors", "k/second.safetensors");
  expectError(301, [&] { loadAdapter(folder.path("k"), storedTarget()); }, {folder.path("k")});
  EXPECT_LE(distance(reference, loadAdapter(testData("peft/adapter_model.safetensors"), storedTarget())), 1e-7) << "the file of a PEFT folder";
}

TEST(Adapter, EveryWriterIsReadBack) {
  ScratchFolder folder;
  Adapter adapter = loadAdapter(testData("peft"), storedTarget());
  writePeftFolder(folder.path("peft"), adapter.modules, {.targetModules = {"to_q", "to_v"}});
  writeDiffusersFile(folder.path("folded.safetensors"), adapter.modules);
  writeDiffusersFile(folder.path("metadata.safetensors"), adapter.modules, DiffusersScale::Metadata);
  writeKohyaFile(folder.path("kohya.safetensors"), adapter.modules);
  for (const char *name : {"peft", "folded.safetensors", "metadata.safetensors", "kohya.safetensors"}) {
    Adapter back = loadAdapter(folder.path(name), storedTarget());
    EXPECT_LE(distance(adapter, back), 1e-7) << name;
    EXPECT_EQ(back.modules[0].scale, std::string(name) == "folded.safetensors" ? 1.0 : 4.0) << name;
  }
  auto kohya = SafetensorsFile::open(folder.path("kohya.safetensors"));
  const TensorInfo *alpha = kohya.find("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.alpha");
  ASSERT_NE(alpha, nullptr);
  EXPECT_TRUE(alpha->shape.empty());
  EXPECT_EQ(kohya.readFloats(*alpha)[0], 8.0f);
  auto config = nlohmann::json::parse(contentsOf(folder.path("peft/adapter_config.json")));
  EXPECT_EQ(config["peft_type"], "LORA");
  EXPECT_EQ(config["r"], 2);
  EXPECT_EQ(config["lora_alpha"], 8);
  EXPECT_TRUE(config["lora_alpha"].is_number_integer());
  EXPECT_EQ(config["target_modules"], (std::vector<std::string>{"to_q", "to_v"}));
  EXPECT_EQ(config["auto_mapping"]["base_model_class"], "UNet2DConditionModel");
}

TEST(Adapter, MixedRanksAndAlphasSurviveEveryWriter) {
  ScratchFolder folder;
  std::vector<AdapterModule> modules{{kQuery, 6, 4, 2, 1.5, std::vector<float>(12, 0.5f), std::vector<float>(8, 2.0f)},
                                     {kValue, 5, 4, 1, 0.1, std::vector<float>(5, 0.5f), std::vector<float>(4, 1.0f)}};
  Adapter adapter;
  adapter.modules = modules;
  writePeftFolder(folder.path("peft"), modules);
  writeDiffusersFile(folder.path("folded.safetensors"), modules);
  writeDiffusersFile(folder.path("metadata.safetensors"), modules, DiffusersScale::Metadata);
  writeKohyaFile(folder.path("kohya.safetensors"), modules);
  for (const char *name : {"peft", "folded.safetensors", "metadata.safetensors", "kohya.safetensors"})
    EXPECT_LE(distance(adapter, loadAdapter(folder.path(name), smallTarget())), 1e-7) << name;
  expectError(311, [&] { writeKohyaFile(folder.path("none.safetensors"), {}); });
}

TEST(Adapter, ScaleFromTheConfig) {
  struct {
    const char *config;
    double query, value;
  } rows[] = {{R"({"r": 2, "lora_alpha": 8})", 4, 4},
              {R"({"r": 2, "lora_alpha": 8, "use_rslora": true})", 8 / std::sqrt(2.0), 8 / std::sqrt(2.0)},
              {R"({"r": 2, "lora_alpha": 3.0, "alpha_pattern": {"attn2.to_v": 5}})", 1.5, 2.5},
              {R"({"r": 9, "lora_alpha": 3, "rank_pattern": {"to_q": 2, "to_v": 2}})", 1.5, 1.5},
              {R"({"r": 2, "lora_alpha": 2, "alpha_pattern": {"o_v": 7}})", 1, 1},                                 // whole components only
              {R"({"r": 2, "lora_alpha": 2, "alpha_pattern": {"^to_v": 7, "attn2\\.to_v": 6, "to_v": 5}})", 1, 3}, // the first that matches
              {R"({"r": 2, "lora_alpha": 2, "use_dora": false, "modules_to_save": null, "loftq_config": {}, "layer_replication": [], "bias": "none"})", 1, 1}};
  for (auto &row : rows) {
    ScratchFolder folder;
    Adapter adapter = loadAdapter(writePeft(folder, soundPeft(), row.config), smallTarget());
    EXPECT_DOUBLE_EQ(adapter.modules[0].scale, row.query) << row.config;
    EXPECT_DOUBLE_EQ(adapter.modules[1].scale, row.value) << row.config;
  }
}

TEST(Adapter, ScaleFromAlphaTensors) {
  ScratchFolder folder;
  std::string name = "lora_unet_" + std::regex_replace(kQuery, std::regex("\\."), "_");
  OwnedTensor alpha(name + ".alpha", {});
  alpha.values = {3};
  writeTensors(folder.path("a.safetensors"), {{name + ".lora_down.weight", {2, 6}}, {name + ".lora_up.weight", {4, 2}}, alpha});
  EXPECT_EQ(loadAdapter(folder.path("a.safetensors"), smallTarget()).modules[0].scale, 1.5);
  writeTensors(folder.path("b.safetensors"), {{name + ".lora_down.weight", {2, 6}}, {name + ".lora_up.weight", {4, 2}}});
  EXPECT_EQ(loadAdapter(folder.path("b.safetensors"), smallTarget()).modules[0].scale, 1.0) << "no alpha means alpha = rank";
  writeTensors(folder.path("c.safetensors"), {{name + ".lora_down.weight", {2, 6, 1, 1}}, {name + ".lora_up.weight", {4, 2, 1, 1}}});
  EXPECT_EQ(loadAdapter(folder.path("c.safetensors"), smallTarget()).modules[0].in, 6) << "1x1 convolutions are linear layers";
}

TEST(Adapter, SixteenBitStorage) {
  ScratchFolder folder;
  for (DType type : {DType::F16, DType::BF16, DType::F64}) {
    std::vector<float> values{1, -2, 0.5f, 4, 8, 16};
    std::vector<std::byte> raw(values.size() * dtypeSize(type));
    convertFromFloat(type, values.data(), values.size(), raw.data());
    writeSafetensors(folder.path("a.safetensors"),
                     {{"unet." + kQuery + ".lora_A.weight", type, {1, 6}, raw.data()}, {"unet." + kQuery + ".lora_B.weight", type, {4, 1}, raw.data()}});
    EXPECT_EQ(loadAdapter(folder.path("a.safetensors"), smallTarget()).modules[0].a, values) << dtypeName(type);
  }
}

TEST(Adapter, PartsThatAreNotAppliedAreCounted) {
  ScratchFolder folder;
  auto tensors = soundPeft();
  for (auto &tensor : peftPair(kOut, 3, 3, 2))
    tensors.push_back(tensor);
  Adapter adapter = loadAdapter(writePeft(folder, tensors), smallTarget());
  EXPECT_EQ(adapter.modules.size(), 2u);
  EXPECT_EQ(adapter.outsideTargets, 1u);
  ASSERT_EQ(adapter.warnings.size(), 1u);
  EXPECT_NE(adapter.warnings[0].find("1 module of 3"), std::string::npos) << adapter.warnings[0];
  EXPECT_NE(adapter.warnings[0].find(kOut), std::string::npos);

  std::string query = "lora_unet_" + std::regex_replace(kQuery, std::regex("\\."), "_"), text = "lora_te1_text_model_encoder_layers_0_mlp_fc1";
  writeTensors(
      folder.path("kohya.safetensors"),
      {{query + ".lora_down.weight", {2, 6}}, {query + ".lora_up.weight", {4, 2}}, {text + ".lora_down.weight", {2, 6}}, {text + ".lora_up.weight", {4, 2}}});
  for (const Adapter &loaded : {loadAdapter(folder.path("kohya.safetensors"), smallTarget()), readAdapter(folder.path("kohya.safetensors"))}) {
    EXPECT_EQ(loaded.modules.size(), 1u);
    EXPECT_EQ(loaded.otherComponents, 1u);
    ASSERT_EQ(loaded.warnings.size(), 1u);
    EXPECT_NE(loaded.warnings[0].find(text), std::string::npos) << loaded.warnings[0];
  }
}

/// Adapters of text encoders: another network's, in every spelling. Counted, the first one named, the rest applied.
TEST(Adapter, TextEncoderPartsOfEverySpelling) {
  ScratchFolder folder;
  std::string kohya = "lora_unet_" + std::regex_replace(kQuery, std::regex("\\."), "_"), plain = "unet." + kQuery, layer = "text_model.encoder.layers.0.mlp.fc1",
              flat = "text_model_encoder_layers_0_mlp_fc1";
  struct {
    std::string site, text, down, up;
  } rows[] = {{kohya, "lora_te_" + flat, "lora_down", "lora_up"},          {kohya, "lora_te1_" + flat, "lora_down", "lora_up"},
              {kohya, "lora_te2_" + flat, "lora_down", "lora_up"},         {plain, "text_encoder." + layer, "lora_A", "lora_B"},
              {plain, "text_encoder_2." + layer, "lora_A", "lora_B"},      {plain, "text_encoder." + layer, "lora.down", "lora.up"},
              {plain, "text_encoder_2." + layer, "lora.down", "lora.up"}};
  for (auto &row : rows) {
    std::string down = "." + row.down + ".weight", up = "." + row.up + ".weight", other = std::regex_replace(row.text, std::regex("0"), "1");
    std::string path = folder.path("a.safetensors");
    writeTensors(path, {{row.site + down, {2, 6}}, {row.site + up, {4, 2}}, {row.text + down, {2, 6}}, {row.text + up, {4, 2}}, {other + down, {2, 6}}, {other + up, {4, 2}}});
    Adapter adapter = loadAdapter(path, smallTarget());
    EXPECT_EQ(adapter.modules.size(), 1u) << row.text;
    EXPECT_EQ(adapter.otherComponents, 2u) << row.text;
    ASSERT_EQ(adapter.warnings.size(), 1u) << row.text;
    EXPECT_NE(adapter.warnings[0].find("a.safetensors: 2 modules of other networks than unet (first: " + row.text), std::string::npos) << adapter.warnings[0];
    EXPECT_NE(adapter.warnings[0].find("not applied"), std::string::npos) << adapter.warnings[0];
  }
}

TEST(Adapter, RanksOfSeveralAdaptersAdd) {
  ScratchFolder folder;
  Adapter adapter = loadAdapter(writePeft(folder, soundPeft()), smallTarget());
  EXPECT_NO_THROW(requireRanksFit({&adapter}, 2));
  EXPECT_NO_THROW(requireRanksFit({&adapter, &adapter}, 4));
  expectError(314, [&] { requireRanksFit({&adapter, &adapter}, 3); }, {"rank 4", "--lora-rank 4"});
}

TEST(Adapter, Arguments) {
  struct {
    const char *text, *path;
    double scale;
  } rows[] = {{"dir/adapter", "dir/adapter", 1},
              {"adapter:0.5", "adapter", 0.5},
              {"a:-1e-1", "a", -0.1},
              {"c:/dir/x", "c:/dir/x", 1},
              {"a:b:2", "a:b", 2},
              {"a:", "a:", 1},
              {"a:2x", "a:2x", 1}};
  for (auto &row : rows) {
    AdapterArgument argument = parseAdapterArgument(row.text);
    EXPECT_EQ(argument.path, row.path) << row.text;
    EXPECT_EQ(argument.scale, row.scale) << row.text;
  }
  for (const char *text : {"", ":1", "a:inf", "a:nan", "a:1e999"})
    expectError(316, [&] { parseAdapterArgument(text); });
}

} // namespace
} // namespace hb
