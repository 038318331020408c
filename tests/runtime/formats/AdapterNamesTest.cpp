#include "runtime/formats/AdapterNames.h"

#include <gtest/gtest.h>

namespace hb {
namespace {

struct Spelling {
  const char *name;
  AdapterRole role;
  const char *component, *module;
  bool underscored;
};
constexpr Spelling kSpellings[] = {
    {"base_model.model.down_blocks.1.attn1.to_q.lora_A.weight", AdapterRole::Down, "", "down_blocks.1.attn1.to_q", false},
    {"base_model.model.down_blocks.1.attn1.to_q.lora_B.default.weight", AdapterRole::Up, "", "down_blocks.1.attn1.to_q", false},
    {"unet.mid_block.ff.net.0.proj.lora_B.weight", AdapterRole::Up, "unet", "mid_block.ff.net.0.proj", false},
    {"unet.mid_block.attn1.to_q.lora.down.weight", AdapterRole::Down, "unet", "mid_block.attn1.to_q", false},
    {"unet.mid_block.attn1.to_q.alpha", AdapterRole::Alpha, "unet", "mid_block.attn1.to_q", false},
    {"unet.mid_block.attn1.processor.to_q_lora.down.weight", AdapterRole::Down, "unet", "mid_block.attn1.to_q", false},
    {"mid_block.attn1.processor.to_out_lora.up.weight", AdapterRole::Up, "", "mid_block.attn1.to_out.0", false},
    {"text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight", AdapterRole::Up, "text_encoder_2",
     "text_model.encoder.layers.0.self_attn.q_proj", false},
    {"lora_unet_mid_block_attn1_to_q.lora_down.weight", AdapterRole::Down, "unet", "mid_block_attn1_to_q", true},
    {"lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha", AdapterRole::Alpha, "text_encoder", "text_model_encoder_layers_0_mlp_fc1", true},
    {"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", AdapterRole::Up, "text_encoder_2", "text_model_encoder_layers_0_mlp_fc1", true},
};

TEST(AdapterNames, EverySpelling) {
  for (const Spelling &row : kSpellings) {
    auto key = parseAdapterKey(row.name);
    ASSERT_TRUE(key) << row.name;
    EXPECT_EQ(key->role, row.role) << row.name;
    EXPECT_EQ(key->component, row.component) << row.name;
    EXPECT_EQ(key->module, row.module) << row.name;
    EXPECT_EQ(key->underscored, row.underscored) << row.name;
  }
}

TEST(AdapterNames, OtherKindsAreRecognised) {
  struct {
    const char *name, *kind;
  } rows[] = {{"lora_unet_a.dora_scale", "DoRA"},      {"base_model.model.a.lora_magnitude_vector.weight", "DoRA"},
              {"lora_unet_a.hada_w1_a", "LoHa"},       {"lora_unet_a.lokr_w1", "LoKr"},
              {"lora_unet_a.diff", "full difference"}, {"lora_unet_a.lora_mid.weight", "LoCon with a core tensor"},
              {"lora_unet_a.oft_blocks", "OFT"}};
  for (auto &row : rows) {
    auto key = parseAdapterKey(row.name);
    ASSERT_TRUE(key) << row.name;
    EXPECT_EQ(key->role, AdapterRole::Unsupported) << row.name;
    EXPECT_EQ(key->kind, row.kind) << row.name;
  }
}

TEST(AdapterNames, WhatIsNoAdapterTensor) {
  for (const char *name : {"", "down_blocks.1.attn1.to_q.weight", ".lora_A.weight", "unet..alpha", "lora_unet_.alpha", "lora_unet_a.lora_down", "a.lora_A"})
    EXPECT_FALSE(parseAdapterKey(name) && parseAdapterKey(name)->module.empty()) << name;
  EXPECT_FALSE(parseAdapterKey("down_blocks.1.attn1.to_q.weight"));
  EXPECT_FALSE(parseAdapterKey(".lora_A.weight"));
  EXPECT_FALSE(parseAdapterKey("lora_unet_.alpha"));
}

TEST(AdapterNames, SgmBlocks) {
  struct {
    const char *sgm, *diffusers;
  } rows[] = {{"input_blocks_0_0", "conv_in"},
              {"input_blocks_1_0_in_layers_2", "down_blocks_0_resnets_0_conv1"},
              {"input_blocks_3_0_op", "down_blocks_0_downsamplers_0_conv"},
              {"input_blocks_4_1_transformer_blocks_0_attn1_to_q", "down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"},
              {"input_blocks_5_1_proj_in", "down_blocks_1_attentions_1_proj_in"},
              {"input_blocks_8_1_transformer_blocks_9_ff_net_0_proj", "down_blocks_2_attentions_1_transformer_blocks_9_ff_net_0_proj"},
              {"middle_block_0_out_layers_3", "mid_block_resnets_0_conv2"},
              {"middle_block_1_transformer_blocks_0_attn2_to_v", "mid_block_attentions_0_transformer_blocks_0_attn2_to_v"},
              {"middle_block_2_emb_layers_1", "mid_block_resnets_1_time_emb_proj"},
              {"output_blocks_0_1_transformer_blocks_0_attn1_to_q", "up_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"},
              {"output_blocks_2_2_conv", "up_blocks_0_upsamplers_0_conv"},
              {"output_blocks_5_1_proj_out", "up_blocks_1_attentions_2_proj_out"},
              {"output_blocks_8_0_skip_connection", "up_blocks_2_resnets_2_conv_shortcut"},
              {"time_embed_2", "time_embedding_linear_2"},
              {"label_emb_0_0", "add_embedding_linear_1"},
              {"out_2", "conv_out"}};
  for (auto &row : rows)
    EXPECT_EQ(fromSgmName(row.sgm, 2).value_or("nothing"), row.diffusers) << row.sgm;
  for (const char *name : {"down_blocks_1", "input_blocks_", "input_blocks_x_1", "input_blocks_99999999999999999999_1", "input_blocks_3_1_op",
                           "middle_block_7_x", "input_blocks_-4_1_x"})
    EXPECT_FALSE(fromSgmName(name, 2)) << name;
  EXPECT_EQ(fromSgmName("input_blocks_3_1_proj_in", 1).value_or("nothing"), "down_blocks_1_attentions_0_proj_in") << "one layer a block";
}

TEST(AdapterNames, DotsComeBackFromTheVocabulary) {
  for (const char *path :
       {"down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", "up_blocks.0.attentions.2.transformer_blocks.9.ff.net.0.proj",
        "mid_block.attentions.0.proj_in", "down_blocks.0.resnets.1.time_emb_proj", "down_blocks.1.resnets.0.conv_shortcut", "time_embedding.linear_1",
        "conv_norm_out", "a.to_out.0", "text_model.encoder.layers.11.self_attn.out_proj", "down_blocks.0.downsamplers.0.conv"})
    EXPECT_EQ(dottedFromUnderscored(underscoredFromDotted(path)), path);
}

TEST(ModuleResolver, FindsByAnySpelling) {
  ModuleResolver resolver({"down_blocks.1.attentions.0.proj_in", "down_blocks.0.resnets.0.conv1", "down_blocks.0.resnets.1.conv1", "a.b_c", "a_b.c"});
  auto find = [&](const char *name) { return resolver.resolve(*parseAdapterKey(name)).value_or("nothing"); };
  EXPECT_EQ(find("unet.down_blocks.1.attentions.0.proj_in.lora_A.weight"), "down_blocks.1.attentions.0.proj_in");
  EXPECT_EQ(find("lora_unet_down_blocks_1_attentions_0_proj_in.alpha"), "down_blocks.1.attentions.0.proj_in");
  EXPECT_EQ(find("lora_unet_input_blocks_4_1_proj_in.alpha"), "down_blocks.1.attentions.0.proj_in");
  EXPECT_EQ(find("unet.down_blocks.9.attentions.0.proj_in.lora_A.weight"), "nothing");
  EXPECT_EQ(find("lora_unet_down_blocks_9_attentions_0_proj_in.alpha"), "nothing");
  EXPECT_EQ(find("lora_unet_a_b_c.alpha"), "nothing") << "two paths share this spelling";
  EXPECT_EQ(find("unet.a.b_c.lora_A.weight"), "a.b_c");
}

} // namespace
} // namespace hb
