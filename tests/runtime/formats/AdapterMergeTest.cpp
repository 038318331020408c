#include "runtime/formats/AdapterMerge.h"
#include "runtime/formats/AdapterWriter.h"
#include "runtime/formats/Checkpoint.h"
#include "tests/runtime/formats/AdapterFixture.h"

#include <cstring>
#include <random>

namespace hb {
namespace {

using namespace test;

constexpr const char *kUnetConfig = R"({"_class_name": "UNet2DConditionModel", "sample_size": 8})";

/// A UNet folder: kQuery [4, 6] and kValue [4, 5] in `type`, a bias and a convolution in float32.
void writeUnet(const ScratchFolder &folder, const std::string &name, DType type) {
  folder.write(name + "/config.json", kUnetConfig);
  std::mt19937 engine(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(64);
  for (float &value : values)
    value = normal(engine);
  std::vector<std::byte> stored(64 * dtypeSize(type));
  convertFromFloat(type, values.data(), 64, stored.data());
  writeSafetensors(folder.path(name + "/diffusion_pytorch_model.safetensors"), {{kQuery + ".weight", type, {4, 6}, stored.data()},
                                                                                 {kValue + ".weight", type, {4, 5}, stored.data() + 24 * dtypeSize(type)},
                                                                                 {kQuery + ".bias", DType::F32, {4}, values.data()},
                                                                                 {"conv_in.weight", DType::F32, {2, 2, 3, 3}, values.data()}},
                   {{"format", "pt"}});
}

TEST(AdapterMerge, AddsScaledProductsAndKeepsTheRest) {
  ScratchFolder folder;
  writeUnet(folder, "unet", DType::F32);
  std::string adapter = writePeft(folder, soundPeft());
  MergeResult result = mergeAdapters(folder.path("unet"), {{adapter, 0.5}, {adapter, -2}}, folder.path("out"));
  EXPECT_EQ(result.merged, 2u);
  EXPECT_EQ(result.tensors, 4u);
  Checkpoint before = Checkpoint::open(folder.path("unet")), after = Checkpoint::open(folder.path("out"));
  Adapter factors = readAdapter(adapter);
  for (const AdapterModule &module : factors.modules) {
    std::vector<float> w = before.readFloats(*before.find(module.path + ".weight")), merged = after.readFloats(*after.find(module.path + ".weight"));
    for (int64_t n = 0; n < module.out; ++n)
      for (int64_t k = 0; k < module.in; ++k) {
        double delta = 0;
        for (int64_t r = 0; r < module.rank; ++r)
          delta += double(module.b[n * module.rank + r]) * module.a[r * module.in + k];
        EXPECT_EQ(merged[n * module.in + k], static_cast<float>(w[n * module.in + k] - 1.5 * module.scale * delta));
      }
  }
  for (const char *name : {"conv_in.weight"})
    EXPECT_EQ(before.readFloats(*before.find(name)), after.readFloats(*after.find(name)));
  EXPECT_EQ(contentsOf(folder.path("out/config.json")), kUnetConfig);
}

TEST(AdapterMerge, HalfPrecisionStaysHalfPrecision) {
  for (DType type : {DType::F16, DType::BF16}) {
    ScratchFolder folder;
    writeUnet(folder, "unet", type);
    mergeAdapters(folder.path("unet"), {{writePeft(folder, soundPeft()), 0.1}}, folder.path("out"));
    Checkpoint after = Checkpoint::open(folder.path("out"));
    EXPECT_EQ(after.find(kQuery + ".weight")->dtype, type);
    EXPECT_EQ(after.find(kQuery + ".bias")->dtype, DType::F32);
    // Everything in front of the first changed tensor, the header included, is the same.
    std::string a = contentsOf(folder.path("unet/diffusion_pytorch_model.safetensors")), b = contentsOf(folder.path("out/diffusion_pytorch_model.safetensors"));
    ASSERT_EQ(a.size(), b.size());
    size_t data = after.files()[0].fileOffset(*after.files()[0].find(kQuery + ".bias"));
    EXPECT_EQ(a.substr(0, data + 16), b.substr(0, data + 16));
    EXPECT_NE(a, b);
  }
}

TEST(AdapterMerge, ScaleZeroGivesTheSameBytes) {
  ScratchFolder folder;
  writeUnet(folder, "unet", DType::F16);
  mergeAdapters(folder.path("unet"), {{writePeft(folder, soundPeft()), 0}}, folder.path("out"));
  EXPECT_EQ(contentsOf(folder.path("unet/diffusion_pytorch_model.safetensors")), contentsOf(folder.path("out/diffusion_pytorch_model.safetensors")));
}

TEST(AdapterMerge, ShardsAndTheirIndex) {
  ScratchFolder folder;
  folder.write("unet/config.json", kUnetConfig);
  std::string one = "diffusion_pytorch_model-00001-of-00002.safetensors", two = "diffusion_pytorch_model-00002-of-00002.safetensors";
  writeTensors(folder.path("unet/" + one), {{kQuery + ".weight", {4, 6}}});
  writeTensors(folder.path("unet/" + two), {{kValue + ".weight", {4, 5}}, {"conv_in.weight", {2, 2, 3, 3}}});
  folder.write("unet/diffusion_pytorch_model.safetensors.index.json", R"({"weight_map": {")" + kQuery + R"(.weight": ")" + one + R"(", ")" + kValue + R"(.weight": ")" + two +
                                                                          R"(", "conv_in.weight": ")" + two + R"("}})");
  folder.write("unet/diffusion_pytorch_model.fp16.safetensors.index.json", R"({"weight_map": {"x": "elsewhere.safetensors"}})");
  mergeAdapters(folder.path("unet"), {{writePeft(folder, soundPeft()), 1}}, folder.path("out"));
  Checkpoint after = Checkpoint::open(folder.path("out"));
  EXPECT_EQ(after.files().size(), 2u);
  EXPECT_EQ(after.tensors().size(), 3u);
  EXPECT_FALSE(isFile(folder.path("out/diffusion_pytorch_model.fp16.safetensors.index.json")));
}

TEST(AdapterMerge, APipelineGivesItsUnet) {
  ScratchFolder folder;
  folder.write("model_index.json", R"({"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"]})");
  writeUnet(folder, "unet", DType::F32);
  EXPECT_EQ(mergeAdapters(folder.path(), {{writePeft(folder, soundPeft()), 1}}, folder.path("out")).source, folder.path("unet"));
  EXPECT_TRUE(isFile(folder.path("out/diffusion_pytorch_model.safetensors")));
}

TEST(AdapterMerge, FailuresLeaveNothing) {
  ScratchFolder folder;
  writeUnet(folder, "unet", DType::F16);
  std::string adapter = writePeft(folder, soundPeft());
  size_t files = folder.fileCount();
  expectError(318, [&] { mergeAdapters(folder.path("unet"), {{adapter, 1e6}}, folder.path("out")); }, {"F16"});
  expectError(901, [&] { mergeAdapters(folder.path("unet"), {{adapter, 1}}, folder.path("unet")); }, {"not empty"});
  expectError(901, [&] { mergeAdapters(folder.path("unet"), {{adapter, 1}}, folder.path("no/such/place")); });
  EXPECT_EQ(folder.fileCount(), files);
  std::string strange = writePeft(folder, peftPair("down_blocks.7.nothing", 4, 4, 2));
  expectError(310, [&] { mergeAdapters(folder.path("unet"), {{strange, 1}}, folder.path("out")); });
  std::string wide = writePeft(folder, peftPair(kQuery, 7, 4, 2));
  expectError(308, [&] { mergeAdapters(folder.path("unet"), {{wide, 1}}, folder.path("out")); }, {"lora_A"});
  EXPECT_EQ(folder.fileCount(), files);
}

TEST(AdapterMerge, RoundsOnce) {
  // 1 + 2⁻¹¹ is half way between two halves; a little more must go up, though it is the same float32 as the tie.
  uint16_t bits;
  ASSERT_TRUE(storeRounded(1 + 0x1p-11 + 0x1p-40, DType::F16, &bits));
  EXPECT_EQ(bits, 0x3C01);
  ASSERT_TRUE(storeRounded(1 + 0x1p-11 - 0x1p-40, DType::F16, &bits));
  EXPECT_EQ(bits, 0x3C00);
  ASSERT_TRUE(storeRounded(-(1 + 0x1p-8 + 0x1p-40), DType::BF16, &bits));
  EXPECT_EQ(bits, 0xBF81);
  EXPECT_FALSE(storeRounded(70000, DType::F16, &bits));
}

TEST(AdapterWriter, EverySpellingAtItsUsualPlace) {
  ScratchFolder folder;
  Adapter adapter = readAdapter(writePeft(folder, soundPeft()));
  for (const char *name : {"peft", "diffusers", "kohya"}) {
    std::string path = writeAdapter(*parseAdapterSpelling(name), folder.path(name), adapter.modules);
    EXPECT_TRUE(isFile(path)) << path;
    EXPECT_LE(distance(adapter, readAdapter(folder.path(name))), 1e-7) << name;
  }
  EXPECT_EQ(writeAdapter(AdapterSpelling::Kohya, folder.path("x.safetensors"), adapter.modules), folder.path("x.safetensors"));
  expectError(317, [&] { writeAdapter(AdapterSpelling::Peft, folder.path("y.safetensors"), adapter.modules); });
  EXPECT_FALSE(parseAdapterSpelling("pickle"));
}

TEST(Adapter, IsToldFromACheckpoint) {
  ScratchFolder folder;
  writeUnet(folder, "unet", DType::F16);
  EXPECT_TRUE(looksLikeAdapter(writePeft(folder, soundPeft())));
  EXPECT_TRUE(looksLikeAdapter(std::string(HB_FORMATS_DATA) + "/adapters/kohya.safetensors"));
  EXPECT_FALSE(looksLikeAdapter(folder.path("unet")));
  EXPECT_FALSE(looksLikeAdapter(folder.path("unet/diffusion_pytorch_model.safetensors")));
  EXPECT_FALSE(looksLikeAdapter(folder.write("x.safetensors", "no header")));
  EXPECT_FALSE(looksLikeAdapter(folder.path("absent")));
}

} // namespace
} // namespace hb
