// Pillow's resize to the bit, the image processors' pixel values, torch's squash; settings and sizes that must be refused.
#include "runtime/formats/Safetensors.h"
#include "runtime/pipeline/Preprocess.h"
#include "tests/runtime/pipeline/TestData.h"

#include <cmath>
#include <cstring>

namespace hb {
namespace {

using test::expectError;

/// One of the two tensor files of the reference data.
class Tensors {
public:
  explicit Tensors(const std::string &name) : file_(SafetensorsFile::open(test::dataPath("data/" + name))) {}
  const TensorInfo &info(const std::string &name) const {
    const TensorInfo *info = file_.find(name);
    if (!info)
      throw std::runtime_error("no tensor " + name);
    return *info;
  }
  template <typename T> std::vector<T> read(const std::string &name) const {
    std::span<const std::byte> bytes = file_.data(info(name));
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

private:
  SafetensorsFile file_;
};

PreprocessConfig clip(int64_t size) {
  std::string side = std::to_string(size);
  return PreprocessConfig::parse(R"({"size": {"shortest_edge": )" + side + R"(}, "crop_size": {"height": )" + side + R"(, "width": )" + side + "}}", "config");
}

/// [h, w, 3] to [3, h, w].
std::vector<uint8_t> planes(const std::vector<uint8_t> &pixels) {
  size_t plane = pixels.size() / 3;
  std::vector<uint8_t> out(pixels.size());
  for (size_t i = 0; i < pixels.size(); ++i)
    out[i % 3 * plane + i / 3] = pixels[i];
  return out;
}

double largestDifference(const std::vector<float> &a, const std::vector<float> &b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    largest = std::max(largest, std::fabs(double(a[i]) - b[i]));
  return largest;
}

class PreprocessTest : public testing::Test {
protected:
  /// Calls check(key, size, image) for every picture and size of the table.
  template <typename Check> void forAll(Check check) {
    Tensors decoded("decoded.safetensors");
    int cases = 0;
    for (const auto &file : test::rows("preprocess.json", "files")) {
      std::string name = file["file"];
      std::vector<uint8_t> pixels = decoded.read<uint8_t>(name);
      RgbView image{pixels.data(), file["width"].get<int64_t>(), file["height"].get<int64_t>()};
      ASSERT_EQ(pixels.size(), size_t(image.width * image.height * 3));
      for (const auto &path : file["paths"]) {
        SCOPED_TRACE(name + " to " + path["size"].dump());
        check(name + "/" + path["size"].dump(), path, image);
        ++cases;
      }
    }
    EXPECT_EQ(cases, 17);
  }
};

TEST_F(PreprocessTest, ResizedAndCroppedBytesToTheBit) {
  Tensors expected("expected.safetensors");
  forAll([&](const std::string &key, const nlohmann::json &path, RgbView image) {
    PreprocessConfig config = clip(path["size"].get<int64_t>());
    std::array<int64_t, 2> size = config.resizedSize(image.width, image.height);
    EXPECT_EQ(size[0], path["resized"]["height"].get<int64_t>());
    EXPECT_EQ(size[1], path["resized"]["width"].get<int64_t>());
    int64_t width, height;
    EXPECT_EQ(planes(config.cropped(image, width, height)), expected.read<uint8_t>(key + "/cropped_u8"));
    EXPECT_EQ(width, path["size"].get<int64_t>());
    EXPECT_EQ(height, path["size"].get<int64_t>());
  });
}

TEST_F(PreprocessTest, PixelValuesToTheBit) {
  Tensors expected("expected.safetensors");
  forAll([&](const std::string &key, const nlohmann::json &path, RgbView image) {
    if (path["size"] == 224)
      return; // the table has bytes only
    int64_t width, height;
    EXPECT_EQ(clip(path["size"].get<int64_t>()).apply(image, width, height), expected.read<float>(key + "/pixel_values"));
  });
}

TEST_F(PreprocessTest, Squash) {
  Tensors expected("expected.safetensors");
  forAll([&](const std::string &key, const nlohmann::json &path, RgbView image) {
    if (path["size"] == 224)
      return;
    // Values up to 2.7; torch adds the sixteen products in an order of its own.
    EXPECT_LT(largestDifference(squashPixels(image, path["size"].get<int64_t>()), expected.read<float>(key + "/squash_pixel_values")), 2e-6);
  });
}

TEST_F(PreprocessTest, WindowsArePartsOfTheWhole) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 31 * 17 * 3; ++i)
    pixels.push_back(uint8_t(i * 37 ^ i >> 3));
  RgbView image{pixels.data(), 31, 17};
  for (int64_t side : {5, 17, 40}) {
    std::vector<uint8_t> whole = resizeBicubic(image, side + 3, side), part = resizeBicubic(image, side + 3, side, {2, 1, 3, 2});
    for (int64_t y = 0; y < 2; ++y)
      for (int64_t x = 0; x < 9; ++x)
        EXPECT_EQ(part[size_t(y * 9 + x)], whole[size_t((y + 1) * (side + 3) * 3 + 6 + x)]);
  }
  EXPECT_EQ(resizeBicubic(image, 31, 17), pixels);
}

TEST_F(PreprocessTest, PassOrderShowsInTheRounding) {
  // One bright column and row; values as Pillow 13 gives them, whose first pass is vertical from the second shape on.
  const uint8_t bright = 255;
  std::vector<uint8_t> pixels(9 * 12 * 3, 3);
  for (size_t i = 0; i < 9; ++i)
    std::fill_n(pixels.begin() + ptrdiff_t((5 * 9 + i) * 3), 3, bright);
  for (size_t i = 0; i < 12; ++i)
    std::fill_n(pixels.begin() + ptrdiff_t((i * 9 + 4) * 3), 3, bright);
  RgbView image{pixels.data(), 9, 12};
  auto red = [&](int64_t width, int64_t height) {
    std::vector<uint8_t> result = resizeBicubic(image, width, height), channel;
    for (size_t i = 0; i < result.size(); i += 3)
      channel.push_back(result[i]);
    return channel;
  };
  EXPECT_EQ(red(7, 8), (std::vector<uint8_t>{
      3, 3, 3, 200, 3, 3, 3, 3, 3, 3, 200, 3, 3, 3, 0, 0, 0, 198, 0, 0, 0, 161, 161, 161, 234, 161, 161, 161, 25, 25, 25, 205, 25, 25, 25,
      1, 1, 1, 200, 1, 1, 1, 3, 3, 3, 200, 3, 3, 3, 3, 3, 3, 200, 3, 3, 3}));
  EXPECT_EQ(red(7, 7), (std::vector<uint8_t>{
      3, 3, 3, 200, 3, 3, 3, 0, 0, 0, 200, 0, 0, 0, 44, 44, 44, 209, 44, 44, 44, 125, 125, 125, 227, 125, 125, 125, 0, 0, 0, 200, 0, 0, 0,
      3, 3, 3, 200, 3, 3, 3, 3, 3, 3, 200, 3, 3, 3}));
}

TEST_F(PreprocessTest, CropBeyondThePictureIsBlack) {
  PreprocessConfig config = PreprocessConfig::parse(R"({"do_resize": false, "crop_size": {"height": 4, "width": 2}})", "config");
  const uint8_t pixels[] = {9, 9, 9, 8, 8, 8, 7, 7, 7, 6, 6, 6}; // 4 wide, 1 high
  int64_t width, height;
  std::vector<uint8_t> out = config.cropped({pixels, 4, 1}, width, height);
  EXPECT_EQ(out, (std::vector<uint8_t>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 7, 7, 7, 0, 0, 0, 0, 0, 0}));
}

TEST_F(PreprocessTest, ExtremeShapesCostNoMemory) {
  // A resized width of 14 million columns, of which 224 are kept.
  std::vector<uint8_t> pixels(65535 * 3, 100);
  int64_t width, height;
  std::vector<uint8_t> out = clip(224).cropped({pixels.data(), 65535, 1}, width, height);
  EXPECT_EQ(out, std::vector<uint8_t>(224 * 224 * 3, 100));
}

TEST_F(PreprocessTest, ReadsBothProcessorsAndOldSpellings) {
  PreprocessConfig blip = PreprocessConfig::parse(R"({"image_processor_type": "BlipImageProcessor", "size": {"height": 64, "width": 48}})", "c");
  EXPECT_FALSE(blip.centerCrop);
  EXPECT_EQ(blip.resizedSize(10, 20), (std::array<int64_t, 2>{64, 48}));
  PreprocessConfig old = PreprocessConfig::parse(R"({"feature_extractor_type": "CLIPFeatureExtractor", "size": 336, "crop_size": 320})", "c");
  EXPECT_EQ(old.shortestEdge, 336);
  EXPECT_EQ(old.cropWidth, 320);
  PreprocessConfig plain = PreprocessConfig::parse("{}", "c");
  EXPECT_EQ(plain.shortestEdge, 224);
  EXPECT_EQ(plain.scale.mean, kClipScale.mean);
}

TEST_F(PreprocessTest, RefusesSettings) {
  struct Row {
    int number;
    const char *word, *text;
  };
  const Row rows[] = {
      {632, "c", "no"},
      {633, "size", R"({"size": {"shortest_edge": 0}})"},
      {633, "size", R"({"size": {"longest_edge": 5}})"},
      {633, "size", R"({"size": {"height": 1, "width": 1e9}})"},
      {633, "crop_size", R"({"crop_size": {"shortest_edge": 5}})"},
      {633, "crop_size", R"({"crop_size": 18446744073709551615})"},
      {633, "image_mean", R"({"image_mean": [0.5, 0.5]})"},
      {633, "image_mean", R"({"image_mean": [0.5, 0.5, "0.5"]})"},
      {633, "image_std", R"({"image_std": [0.5, 0.5, 0]})"},
      {633, "do_resize", R"({"do_resize": "yes"})"},
      {633, "rescale_factor", R"({"rescale_factor": -1})"},
      {634, "do_flip", R"({"do_flip": true})"},
      {635, "resample", R"({"resample": 2})"},
      {635, "image_processor_type", R"({"image_processor_type": "ViTImageProcessor"})"},
  };
  for (const Row &row : rows)
    expectError(row.number, ExitCode::BadFile, row.word, [&] { PreprocessConfig::parse(row.text, "c"); });
  expectError(902, ExitCode::BadFile, "nothing-here", [] { PreprocessConfig::read(test::dataPath("nothing-here")); });
}

TEST_F(PreprocessTest, RefusesSizes) {
  const uint8_t pixel[3] = {1, 2, 3};
  int64_t width, height;
  expectError(605, ExitCode::Usage, "0 x 1", [&] { clip(28).cropped({pixel, 0, 1}, width, height); });
  expectError(605, ExitCode::Usage, "65536 x 1", [&] { clip(28).cropped({pixel, 65536, 1}, width, height); });
  expectError(605, ExitCode::Usage, "2^28", [&] { squashPixels({pixel, 65535, 65535}, 28); });
  expectError(605, ExitCode::Usage, "0 x 0", [&] { squashPixels({pixel, 1, 1}, 0); });
  expectError(605, ExitCode::Usage, "inside", [&] { resizeBicubic({pixel, 1, 1}, 4, 4, {2, 2, 3, 1}); });
  PreprocessConfig uncropped = PreprocessConfig::parse(R"({"do_center_crop": false})", "c");
  std::vector<uint8_t> strip(65535 * 3);
  expectError(605, ExitCode::Usage, "14679840 x 224", [&] { uncropped.cropped({strip.data(), 65535, 1}, width, height); });
}

} // namespace
} // namespace hb
