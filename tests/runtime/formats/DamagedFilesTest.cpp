// Sound files cut at every byte and with every byte changed: each must load or give an Error, never crash or hang. Most useful
// under the address and undefined-behaviour sanitizers.
#include "runtime/formats/Adapter.h"
#include "runtime/formats/Checkpoint.h"
#include "runtime/formats/Image.h"
#include "runtime/formats/ModelConfig.h"
#include "tests/runtime/formats/AdapterFixture.h"

namespace hb {
namespace {

using namespace test;
using Reader = std::function<void(const std::string &contents)>;

/// Calls the reader; counts what it says. Anything but success or an Error with a row fails the test.
struct Outcomes {
  size_t loaded = 0, refused = 0;
  void run(const Reader &read, const std::string &contents, size_t at) {
    try {
      read(contents);
      ++loaded;
    } catch (const Error &error) {
      ++refused;
      EXPECT_NE(findError(error.number()), nullptr) << error.what();
      EXPECT_EQ(error.exitCode(), ExitCode::BadFile) << error.what();
    } catch (const std::exception &error) {
      ADD_FAILURE() << "another exception at byte " << at << ": " << error.what();
    }
  }
};

Outcomes truncations(const std::string &sound, const Reader &read) {
  Outcomes outcomes;
  for (size_t size = 0; size < sound.size(); ++size)
    outcomes.run(read, sound.substr(0, size), size);
  return outcomes;
}

/// Each byte inverted, and with its lowest bit flipped (which turns digits and braces into their neighbours).
Outcomes flips(const std::string &sound, const Reader &read) {
  Outcomes outcomes;
  for (size_t at = 0; at < sound.size(); ++at)
    for (int mask : {0xff, 0x01, 0x10}) {
      std::string broken = sound;
      broken[at] = static_cast<char>(broken[at] ^ mask);
      outcomes.run(read, broken, at);
    }
  return outcomes;
}

std::span<const std::byte> bytesOf(const std::string &text) { return {reinterpret_cast<const std::byte *>(text.data()), text.size()}; }

/// Reads everything a safetensors file offers.
void readAll(const std::string &contents) {
  ScratchFolder folder;
  auto file = SafetensorsFile::open(folder.write("model.safetensors", contents));
  for (const TensorInfo &info : file.tensors())
    file.readFloats(info);
}

TEST(DamagedFiles, Safetensors) {
  ScratchFolder folder;
  writeTensors(folder.path("a"), {{"layer.weight", {2, 3}}, {"layer.bias", {2}}, {"none", {0, 2}}, {"one", {}}});
  std::string sound = contentsOf(folder.path("a"));
  EXPECT_NO_THROW(readAll(sound));
  EXPECT_EQ(truncations(sound, readAll).loaded, 0u) << "no proper part of the file is a file";
  Outcomes outcomes = flips(sound, readAll);
  EXPECT_GT(outcomes.refused, 100u);
  EXPECT_GT(outcomes.loaded, 30u) << "changed data is still data";
}

TEST(DamagedFiles, Adapters) {
  ScratchFolder folder;
  std::string path = writePeft(folder, soundPeft());
  std::string file = path + "/adapter_model.safetensors", sound = contentsOf(file);
  Reader readWeights = [&](const std::string &contents) {
    folder.write("adapter/adapter_model.safetensors", contents);
    loadAdapter(path, smallTarget());
  };
  EXPECT_EQ(truncations(sound, readWeights).loaded, 0u);
  EXPECT_GT(flips(sound, readWeights).refused, 100u);
  folder.write("adapter/adapter_model.safetensors", sound);
  Reader readConfig = [&](const std::string &contents) {
    folder.write("adapter/adapter_config.json", contents);
    loadAdapter(path, smallTarget());
  };
  EXPECT_EQ(truncations(kPeftConfig, readConfig).loaded, 0u);
  flips(kPeftConfig, readConfig);
}

TEST(DamagedFiles, Indexes) {
  ScratchFolder folder;
  writeTensors(folder.path("model-1.safetensors"), {{"a", {2}}});
  Reader read = [&](const std::string &contents) {
    folder.write("model.safetensors.index.json", contents);
    Checkpoint::open(folder.path());
  };
  std::string sound = R"({"metadata": {"total_size": 8}, "weight_map": {"a": "model-1.safetensors"}})";
  EXPECT_NO_THROW(read(sound));
  EXPECT_EQ(truncations(sound, read).loaded, 0u);
  EXPECT_GT(flips(sound, read).refused, 100u);
}

TEST(DamagedFiles, Configs) {
  ScratchFolder folder;
  folder.write("vae/config.json", "{}");
  Reader read = [&](const std::string &contents) {
    folder.write("model_index.json", contents);
    readPipelineIndex(folder.path());
  };
  std::string sound = R"({"_class_name": "P", "vae": ["diffusers", "AutoencoderKL"], "n": 1.5e3, "t": [true, null]})";
  EXPECT_NO_THROW(read(sound));
  EXPECT_EQ(truncations(sound, read).loaded, 0u);
  flips(sound, read);
}

TEST(DamagedFiles, Pictures) {
  for (const char *name : {"tiny.png", "photo_q90_420.jpg", "progressive.jpg", "palette_transparent.png"}) {
    std::string sound = contentsOf(std::string(HB_FORMATS_DATA) + "/images/" + name);
    Reader read = [&](const std::string &contents) { decodeImage(bytesOf(contents), name, AlphaMode::OverWhite); };
    // A JPEG may lack its last bytes (the end marker) without lacking pixels, but not more.
    EXPECT_LE(truncations(sound, read).loaded, 2u) << name;
    flips(sound, read);
  }
}

TEST(DamagedFiles, PictureTexts) {
  std::string sound = encodePng({2, 2, std::vector<uint8_t>(12, 7)}, {{"parameters", "text"}, {"more", "ä"}});
  Reader read = [](const std::string &contents) { readPngTexts(bytesOf(contents), "x.png"); };
  EXPECT_EQ(truncations(sound, read).loaded, 0u);
  EXPECT_GT(flips(sound, read).refused, 50u);
}

} // namespace
} // namespace hb
