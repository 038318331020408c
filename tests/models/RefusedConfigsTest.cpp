// Config values that change a network's graph in a way it is not written for must stop the import, naming the key.
#include "tests/models/Fixture.h"

#include <nlohmann/json.hpp>

namespace hb {
namespace {

struct Refused {
  const char *key, *value; ///< value as JSON
  const char *config;      ///< the sound config it replaces a key of
  const char *named;       ///< what the message must contain
};

const Refused kRefused[] = {
    {"use_linear_projection", "false", kSdxlUNetConfig, "use_linear_projection"},
    {"act_fn", "\"relu\"", kSdxlUNetConfig, "act_fn"},
    {"addition_embed_type", "null", kSdxlUNetConfig, "addition_embed_type"},
    {"class_embed_type", "\"timestep\"", kSdxlUNetConfig, "class_embed_type"},
    {"mid_block_scale_factor", "2", kSdxlUNetConfig, "mid_block_scale_factor"},
    {"resnet_time_scale_shift", "\"scale_shift\"", kSdxlUNetConfig, "resnet_time_scale_shift"},
    {"down_block_types", R"(["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"])", kSdxlUNetConfig, "AttnDownBlock2D"},
    {"up_block_types", R"(["UpBlock2D"])", kSdxlUNetConfig, "up_block_types"},
    {"attention_head_dim", "[5, 10, 3]", kSdxlUNetConfig, "attention_head_dim"},
    {"transformer_layers_per_block", "[1, 2]", kSdxlUNetConfig, "block_out_channels"},
    {"cross_attention_dim", "[2048]", kSdxlUNetConfig, "cross_attention_dim"},
    {"block_out_channels", "null", kSdxlUNetConfig, "block_out_channels"},
    {"shift_factor", "0.1", kSdxlVaeConfig, "shift_factor"},
    {"latents_mean", "[0, 0, 0, 0]", kSdxlVaeConfig, "latents_mean"},
    {"up_block_types", R"(["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "AttnUpDecoderBlock2D"])", kSdxlVaeConfig, "AttnUpDecoderBlock2D"},
    {"norm_num_groups", "7", kSdxlVaeConfig, "norm_num_groups"},
};

TEST(RefusedConfigs, NameTheKey) {
  for (const Refused &refused : kRefused) {
    bool unet = refused.config == kSdxlUNetConfig;
    nlohmann::json config = nlohmann::json::parse(refused.config);
    config[refused.key] = nlohmann::json::parse(refused.value);
    ModelFolder folder;
    folder.component("", config.dump(), unet ? sdxlUNetKeys() : sdxlVaeKeys(), "diffusion_pytorch_model.safetensors");
    ImportOptions options;
    options.model = folder.path();
    options.dims = unet ? std::map<std::string, int64_t>{{"H", 16}, {"W", 16}} : std::map<std::string, int64_t>{{"H", 8}, {"W", 8}, {"h", 64}, {"w", 64}};
    ModelImport result = importFolder(options);
    EXPECT_TRUE(result.entries.empty()) << refused.key << " = " << refused.value;
    EXPECT_NE(result.messages.find(refused.named), std::string::npos) << refused.key << " = " << refused.value << ":\n" << result.messages;
  }
}

} // namespace
} // namespace hb
