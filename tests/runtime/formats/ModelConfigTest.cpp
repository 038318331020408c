#include "runtime/formats/ModelConfig.h"
#include "tests/runtime/base/ScratchFolder.h"

namespace hb {
namespace {

using namespace test;

TEST(ModelConfig, ReadsAFolderOrAFile) {
  ScratchFolder folder;
  std::string path = folder.write("config.json", R"({"_class_name": "AutoencoderKL", "latent_channels": 4})");
  for (const std::string &from : {folder.path(), path}) {
    auto config = ModelConfig::read(from);
    EXPECT_EQ(config.className(), "AutoencoderKL");
    EXPECT_EQ(config.root().integer("latent_channels"), 4);
    EXPECT_EQ(config.path(), path);
  }
}

TEST(ModelConfig, ClassNames) {
  EXPECT_EQ(ModelConfig::parse(R"({"architectures": ["CLIPTextModel"]})", "c").className(), "CLIPTextModel");
  expectError(203, [] { ModelConfig::parse("{}", "dir/config.json").className(); }, {"dir/config.json", "_class_name", "architectures"});
  expectError(203, [] { ModelConfig::parse(R"({"architectures": []})", "c").className(); });
  expectError(203, [] { ModelConfig::parse(R"({"architectures": "CLIPTextModel"})", "c").className(); });
}

TEST(ModelConfig, MissingAndBrokenFiles) {
  ScratchFolder folder;
  expectError(201, [&] { ModelConfig::read(folder.path()); }, {"config.json"});
  expectError(201, [&] { ModelConfig::read(folder.path("none")); }, {"none"});
  folder.write("config.json", "{\"hidden_size\": ");
  expectError(202, [&] { ModelConfig::read(folder.path()); }, {"config.json"});
  folder.write("config.json", "[]");
  expectError(203, [&] { ModelConfig::read(folder.path()); }, {"config.json"});
}

TEST(PipelineIndex, FindsComponents) {
  ScratchFolder folder;
  folder.write("model_index.json", R"({"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.19.0", "force_zeros_for_empty_prompt": true,
    "vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "CLIPTextModel"], "image_encoder": [null, null]})");
  EXPECT_TRUE(isPipelineFolder(folder.path()));
  folder.write("vae/config.json", "{}");
  expectError(204, [&] { readPipelineIndex(folder.path()); }, {"model_index.json", "text_encoder"});
  folder.write("text_encoder/config.json", "{}");
  auto index = readPipelineIndex(folder.path());
  EXPECT_EQ(index.className, "StableDiffusionXLPipeline");
  ASSERT_EQ(index.components.size(), 2u);
  EXPECT_EQ(index.components[0].name, "text_encoder");
  EXPECT_EQ(index.require("vae").className, "AutoencoderKL");
  EXPECT_EQ(index.require("vae").library, "diffusers");
  EXPECT_EQ(index.require("vae").folder, folder.path("vae"));
  EXPECT_EQ(index.find("image_encoder"), nullptr);
  expectError(204, [&] { index.require("unet"); }, {"unet", "model_index.json"});
}

TEST(PipelineIndex, NamesStayInTheFolder) {
  ScratchFolder folder;
  for (const char *name : {"../other", "..", "a/b", ""}) {
    folder.write("model_index.json", "{\"_class_name\": \"P\", \"" + std::string(name) + "\": [\"diffusers\", \"AutoencoderKL\"]}");
    expectError(205, [&] { readPipelineIndex(folder.path()); }, {"model_index.json"});
  }
  folder.write("model_index.json", "{}");
  expectError(203, [&] { readPipelineIndex(folder.path()); }, {"_class_name"});
}

} // namespace
} // namespace hb
