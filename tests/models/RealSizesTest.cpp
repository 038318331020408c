// Every network at its published size: each tensor of the checkpoint is a parameter of the program and the other way round.
// Counts: the libraries' classes instantiated with these configs.
#include "tests/models/Fixture.h"

namespace hb {
namespace {

constexpr const char *kTextConfig = R"({"architectures": ["CLIPTextModel"], "eos_token_id": 2, "hidden_act": "quick_gelu", "hidden_size": 768, "intermediate_size": 3072,
  "layer_norm_eps": 1e-05, "max_position_embeddings": 77, "num_attention_heads": 12, "num_hidden_layers": 12, "vocab_size": 49408})";
constexpr const char *kText2Config = R"({"architectures": ["CLIPTextModelWithProjection"], "eos_token_id": 2, "hidden_act": "gelu", "hidden_size": 1280,
  "intermediate_size": 5120, "layer_norm_eps": 1e-05, "max_position_embeddings": 77, "num_attention_heads": 20, "num_hidden_layers": 32, "vocab_size": 49408})";
constexpr const char *kVisionConfig = R"({"architectures": ["CLIPVisionModelWithProjection"], "hidden_act": "gelu", "hidden_size": 1664, "image_size": 224,
  "intermediate_size": 8192, "num_attention_heads": 16, "num_hidden_layers": 48, "patch_size": 14, "projection_dim": 512})";

struct RealSize {
  const char *name, *config;
  KeyList (*keys)();
  const char *file;
  size_t tensors;
  int64_t parameters;
  std::set<std::string> entries;
  std::map<std::string, int64_t> dims;
};

void PrintTo(const RealSize &size, std::ostream *stream) { *stream << size.name; }

const RealSize kSizes[] = {
    {"unet", kSdxlUNetConfig, sdxlUNetKeys, "diffusion_pytorch_model.safetensors", 1680, 2'567'463'684, {"unet"}, {{"H", 64}, {"W", 48}}},
    {"vae", kSdxlVaeConfig, sdxlVaeKeys, "diffusion_pytorch_model.safetensors", 248, 83'653'863, {"vae_decode", "vae_encode"}, {}},
    {"text_encoder", kTextConfig, [] { return clipTextKeys(768, 12, 3072, 0); }, "model.safetensors", 196, 123'060'480, {"text_encode"}, {}},
    {"text_encoder_2", kText2Config, [] { return clipTextKeys(1280, 32, 5120, 1280); }, "model.safetensors", 517, 694'659'840, {"text_encode"}, {}},
    {"image_encoder", kVisionConfig, [] { return clipVisionKeys(1664, 48, 8192, 1280); }, "model.safetensors", 776, 1'844'907'264, {"image_encode"}, {}},
    // A sparse config, as published: everything else has the library's defaults.
    {"blip2", R"({"architectures": ["Blip2ForImageTextRetrieval"], "image_text_hidden_size": 256, "image_token_index": 30523, "num_query_tokens": 32,
      "qformer_config": {"use_qformer_text_input": true, "vocab_size": 30523}, "vision_config": {}})",
     blip2Keys, "model.safetensors", 809, 1'172'032'258, {"blip2_itc", "blip2_itm", "blip2_reward"}, {{"L", 32}}},
};

class RealSizes : public testing::TestWithParam<RealSize> {};

TEST_P(RealSizes, EveryTensorIsAParameter) {
  const RealSize &size = GetParam();
  KeyList keys = size.keys();
  EXPECT_EQ(keys.tensors().size(), size.tensors);
  EXPECT_EQ(keys.parameters(), size.parameters);
  ModelFolder folder;
  folder.component("", size.config, keys, size.file);
  ImportOptions options;
  options.model = folder.path();
  options.dims = size.dims;
  ModelImport result = importFolder(options);
  ASSERT_EQ(result.messages, "");
  EXPECT_EQ(result.entries, size.entries);
  std::set<std::pair<std::string, std::string>> expected;
  for (const auto &[name, shape] : keys.tensors())
    expected.emplace("", name);
  EXPECT_EQ(result.parameters, expected);
}

INSTANTIATE_TEST_SUITE_P(Published, RealSizes, testing::ValuesIn(kSizes), [](const auto &info) { return std::string(info.param.name); });

TEST(RealSizes, AdaptersOfTheUNet) {
  ModelFolder folder;
  folder.component("", kSdxlUNetConfig, sdxlUNetKeys(), "diffusion_pytorch_model.safetensors");
  ImportOptions options;
  options.model = folder.path();
  options.dims = {{"H", 32}, {"W", 32}};
  options.loraRank = 8;
  options.loraTargets = {"to_q", "to_v", "query", "value", "ff.net.0.proj"};
  ModelImport result = importFolder(options);
  ASSERT_EQ(result.messages, "");
  size_t factors = 0;
  for (const auto &[scope, key] : result.parameters)
    factors += scope == "adapter:" && !key.ends_with("lora_scale");
  EXPECT_EQ(factors, 700u); // A and B of 350 linears, as PEFT counts them
}

} // namespace
} // namespace hb
