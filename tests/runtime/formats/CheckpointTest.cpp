#include "runtime/formats/Checkpoint.h"
#include "tests/runtime/base/ScratchFolder.h"
#include "tests/runtime/formats/RawFile.h"

namespace hb {
namespace {

using namespace test;
using Mode = SafetensorsFile::Mode;

TEST(Checkpoint, FindsTheFileByTheLibrariesNames) {
  for (const char *name : {"model.safetensors", "diffusion_pytorch_model.safetensors", "model.fp16.safetensors", "diffusion_pytorch_model.fp16.safetensors"}) {
    ScratchFolder folder;
    writeTensors(folder.path(name), {{"w", {2, 3}}});
    auto checkpoint = Checkpoint::open(folder.path());
    ASSERT_EQ(checkpoint.tensors().size(), 1u) << name;
    EXPECT_EQ(checkpoint.readFloats(checkpoint.tensors()[0])[3], 1.5f);
    EXPECT_EQ(Checkpoint::open(folder.path(), Mode::HeaderOnly).tensors()[0].shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(Checkpoint::open(folder.path(name)).tensors().size(), 1u) << "the file itself";
  }
}

TEST(Checkpoint, FullPrecisionComesBeforeTheVariant) {
  ScratchFolder folder;
  writeTensors(folder.path("model.fp16.safetensors"), {{"half", {1}}});
  writeTensors(folder.path("model.safetensors"), {{"full", {1}}});
  EXPECT_NE(Checkpoint::open(folder.path()).find("full"), nullptr);
}

TEST(Checkpoint, NoWeights) {
  ScratchFolder folder;
  folder.write("pytorch_model.bin", "x");
  expectError(220, [&] { Checkpoint::open(folder.path()); }, {"safetensors", folder.path()});
  expectError(220, [&] { Checkpoint::open(folder.path("missing")); }, {"no such folder"});
}

struct Sharded {
  ScratchFolder folder;
  std::string index = R"({"metadata": {"total_size": 1}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})";
  Sharded() {
    writeTensors(folder.path("model-00001-of-00002.safetensors"), {{"a", {2}}});
    writeTensors(folder.path("model-00002-of-00002.safetensors"), {{"b", {3}}});
  }
  Checkpoint open(const std::string &indexName = "model.safetensors.index.json") {
    folder.write(indexName, index);
    return Checkpoint::open(folder.path());
  }
};

TEST(Checkpoint, Shards) {
  for (const char *name : {"model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.json", "model.fp16.safetensors.index.json",
                           "model.safetensors.index.fp16.json"}) {
    Sharded sharded;
    auto checkpoint = sharded.open(name);
    ASSERT_EQ(checkpoint.tensors().size(), 2u) << name;
    EXPECT_EQ(checkpoint.readFloats(*checkpoint.find("b")).size(), 3u);
    EXPECT_EQ(checkpoint.where(*checkpoint.find("b")), sharded.folder.path("model-00002-of-00002.safetensors") + ":b");
  }
}

TEST(Checkpoint, MissingShardIsNamed) {
  Sharded sharded;
  std::filesystem::remove(sharded.folder.path("model-00002-of-00002.safetensors"));
  expectError(223, [&] { sharded.open(); }, {"model-00002-of-00002.safetensors"});
}

TEST(Checkpoint, ShardNamesStayInTheFolder) {
  for (const char *name : {"../outside.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ".", "", "a\\\\b", "a\\u0000b"}) {
    Sharded sharded;
    sharded.index = R"({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": ")" + std::string(name) + "\"}}";
    expectError(222, [&] { sharded.open(); }, {"model.safetensors.index.json", ":b:"});
  }
}

TEST(Checkpoint, IndexAndShardsDisagree) {
  Sharded sharded;
  sharded.index = R"({"weight_map": {"a": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"}})";
  expectError(224, [&] { sharded.open(); }, {"index.json", ":c:", "model-00002-of-00002.safetensors"});
  Sharded twice;
  writeTensors(twice.folder.path("model-00002-of-00002.safetensors"), {{"a", {2}}, {"b", {3}}});
  expectError(225, [&] { twice.open(); }, {":a:"});
}

TEST(Checkpoint, MalformedIndex) {
  for (const char *text :
       {"", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {}})", R"({"weight_map": {"a": 1}})", R"({"weight_map": {"a": "x", "a": "y"}})"}) {
    Sharded sharded;
    sharded.index = text;
    expectError(221, [&] { sharded.open(); }, {"model.safetensors.index.json"});
  }
}

TEST(Checkpoint, LegacyAttentionNames) {
  EXPECT_EQ(modernTensorName("decoder.mid_block.attentions.0.query.weight"), "decoder.mid_block.attentions.0.to_q.weight");
  EXPECT_EQ(modernTensorName("decoder.mid_block.attentions.0.proj_attn.bias"), "decoder.mid_block.attentions.0.to_out.0.bias");
  EXPECT_EQ(modernTensorName("qformer.encoder.layer.0.attention.attention.query.weight"), "qformer.encoder.layer.0.attention.attention.query.weight");
  EXPECT_EQ(modernTensorName("x.attentions.0.transformer_blocks.0.attn1.query.weight"), "x.attentions.0.transformer_blocks.0.attn1.query.weight");
  EXPECT_EQ(modernTensorName("x.attentions.0"), "x.attentions.0");

  ScratchFolder folder;
  writeTensors(folder.path("diffusion_pytorch_model.safetensors"), {{"encoder.mid_block.attentions.0.query.weight", {4, 4, 1, 1}},
                                                                    {"encoder.mid_block.attentions.0.query.bias", {4}},
                                                                    {"encoder.mid_block.attentions.0.proj_attn.weight", {4, 4}},
                                                                    {"quant_conv.weight", {4, 4, 1, 1}}});
  auto checkpoint = Checkpoint::open(folder.path());
  const CheckpointTensor &query = checkpoint.require("encoder.mid_block.attentions.0.to_q.weight", {4, 4});
  EXPECT_EQ(query.info->name, "encoder.mid_block.attentions.0.query.weight");
  EXPECT_EQ(checkpoint.readFloats(query).size(), 16u);
  EXPECT_NO_THROW(checkpoint.require("encoder.mid_block.attentions.0.to_out.0.weight", {4, 4}));
  EXPECT_EQ(checkpoint.find("encoder.mid_block.attentions.0.query.weight"), &query) << "either spelling finds it";
  EXPECT_NO_THROW(checkpoint.require("quant_conv.weight", {4, 4, 1, 1})) << "other 1x1 convolutions keep their shape";
}

TEST(Checkpoint, BothSpellingsOfOneTensor) {
  ScratchFolder folder;
  writeTensors(folder.path("model.safetensors"), {{"mid_block.attentions.0.query.bias", {4}}, {"mid_block.attentions.0.to_q.bias", {4}}});
  expectError(225, [&] { Checkpoint::open(folder.path()); }, {"query.bias", "to_q.bias"});
}

TEST(Checkpoint, TextModelPrefixIsOptional) {
  ScratchFolder folder;
  writeTensors(folder.path("model.safetensors"), {{"final_layer_norm.weight", {4}}, {"text_model.encoder.layers.0.mlp.fc1.bias", {8}}});
  auto checkpoint = Checkpoint::open(folder.path());
  EXPECT_NO_THROW(checkpoint.require("text_model.final_layer_norm.weight", {4}));
  EXPECT_NO_THROW(checkpoint.require("final_layer_norm.weight", {4}));
  EXPECT_NO_THROW(checkpoint.require("encoder.layers.0.mlp.fc1.bias", {8}));
  EXPECT_EQ(checkpoint.find("vision_model.final_layer_norm.weight"), nullptr);
}

TEST(Checkpoint, RequireNamesFileTensorAndBothSides) {
  ScratchFolder folder;
  int64_t ids[] = {1, 2};
  float weight[6] = {};
  writeSafetensors(folder.path("model.safetensors"),
                   {{"fc.weight", DType::F32, {2, 3}, weight}, {"fc.ids", DType::I64, {2}, ids}, {"m.position_ids", DType::I64, {2}, ids}});
  auto checkpoint = Checkpoint::open(folder.path());
  expectError(230, [&] { checkpoint.require("fc.bias", {2}); }, {"model.safetensors", "fc.bias", "[2]"});
  expectError(231, [&] { checkpoint.require("fc.weight", {3, 2}); }, {"model.safetensors", "fc.weight", "[3, 2]", "[2, 3]"});
  expectError(232, [&] { checkpoint.require("fc.ids", {2}); }, {"model.safetensors", "fc.ids", "I64"});
  expectError(232, [&] { checkpoint.require("fc.weight", {2, 3}, DType::F16); }, {"fc.weight", "F16", "F32"});
  EXPECT_EQ(checkpoint.find("m.position_ids"), nullptr) << "a buffer, not a parameter";
  const auto *weightTensor = &checkpoint.require("fc.weight", {2, 3}, DType::F32);
  expectError(233, [&] { checkpoint.requireAllUsed({weightTensor}); }, {"model.safetensors", "fc.ids"});
  EXPECT_NO_THROW(checkpoint.requireAllUsed({weightTensor}, {"fc.id"}));
}

TEST(Checkpoint, DamagedFileIsNamed) {
  ScratchFolder folder;
  folder.write("model.safetensors", "1234567");
  expectError(210, [&] { Checkpoint::open(folder.path()); }, {"model.safetensors"});
}

TEST(Checkpoint, PointersSurviveAMove) {
  ScratchFolder folder;
  writeTensors(folder.path("model.safetensors"), {{"w", {2}}});
  auto first = Checkpoint::open(folder.path());
  Checkpoint second = std::move(first);
  EXPECT_EQ(second.readFloats(*second.find("w")), (std::vector<float>{0, 0.5f}));
}

} // namespace
} // namespace hb
