#include "runtime/formats/Image.h"
#include "runtime/base/MappedFile.h"
#include "tests/runtime/base/ScratchFolder.h"

#include <zlib.h>

#include <cstring>

namespace hb {
namespace {

using namespace test;

std::span<const std::byte> bytesOf(const std::string &text) { return {reinterpret_cast<const std::byte *>(text.data()), text.size()}; }
std::string picture(const std::string &name) { return contentsOf(std::string(HB_FORMATS_DATA) + "/images/" + name); }
uint32_t checksum(const Image &image) { return static_cast<uint32_t>(crc32(0, image.rgb.data(), static_cast<uInt>(image.rgb.size()))); }

/// Checksums of the RGB bytes that Pillow 13 decodes (libjpeg-turbo's accurate inverse DCT), without alpha and over white.
struct Reference {
  const char *file;
  int width, height;
  uint32_t dropped, overWhite;
};
constexpr Reference kReferences[] = {
    {"gray.jpg", 100, 67, 0xaa4948c4u, 0xaa4948c4u},          {"gray.png", 100, 67, 0x33f9fbbdu, 0x33f9fbbdu},
    {"palette.png", 100, 67, 0x6668448bu, 0x6668448bu},       {"photo_q75_444.jpg", 100, 67, 0x70126954u, 0x70126954u},
    {"photo_q90_420.jpg", 100, 67, 0xe7089273u, 0xe7089273u}, {"progressive.jpg", 100, 67, 0x457f459bu, 0x457f459bu},
    {"restart.jpg", 100, 67, 0x457f459bu, 0x457f459bu},       {"rgb.png", 100, 67, 0x4c6f42d0u, 0x4c6f42d0u},
    {"square.png", 56, 56, 0x0bbd0328u, 0x0bbd0328u},         {"stored.png", 100, 67, 0x4c6f42d0u, 0x4c6f42d0u},
    {"tall_q95_422.jpg", 67, 200, 0x32aba3f8u, 0x32aba3f8u},  {"tiny.png", 7, 5, 0x7f585a11u, 0x7f585a11u},
    {"one_bit.png", 256, 256, 0x77691533u, 0x77691533u},      {"cmyk.jpg", 40, 30, 0x0b3a3b09u, 0x0b3a3b09u},
    {"every_alpha.png", 256, 256, 0x7728d142u, 0xa3bac789u}, // every pair of a level and an alpha
    {"grey_alpha.png", 256, 256, 0x1b29127eu, 0x065b8cbeu},   {"palette_transparent.png", 256, 256, 0xa98ff53eu, 0xc1859212u},
};

TEST(Image, DecodesTheBytesOfPillow) {
  for (const Reference &row : kReferences) {
    std::string file = picture(row.file);
    Image dropped = decodeImage(bytesOf(file), row.file, AlphaMode::Drop), white = decodeImage(bytesOf(file), row.file, AlphaMode::OverWhite);
    EXPECT_EQ(dropped.width, row.width) << row.file;
    EXPECT_EQ(dropped.height, row.height) << row.file;
    EXPECT_EQ(dropped.rgb.size(), static_cast<size_t>(row.width) * row.height * 3) << row.file;
    EXPECT_EQ(checksum(dropped), row.dropped) << row.file;
    EXPECT_EQ(checksum(white), row.overWhite) << row.file;
  }
}

TEST(Image, WhatIsNoPicture) {
  ScratchFolder folder;
  struct {
    std::string contents, found;
  } rows[] = {{"", "an empty file"}, {"hello", "something else"}, {"GIF89a......", "GIF"}, {std::string("RIFF\0\0\0\0WEBPVP8 ", 16), "WebP"},
              {"BM......", "BM"},    {"<html>", "something else"}};
  for (auto &row : rows) {
    std::string path = folder.write("ref.png", row.contents);
    expectError(610, [&] { readImage(path, AlphaMode::Drop); }, {"ref.png", row.found});
  }
  expectError(902, [&] { readImage(folder.path("none.png"), AlphaMode::Drop); }, {"none.png"});
}

/// Changes the size in a PNG's IHDR and corrects the chunk's checksum.
std::string resizedHeader(std::string png, uint32_t width, uint32_t height) {
  auto put = [&](size_t at, uint32_t value) {
    for (int i = 0; i < 4; ++i)
      png[at + i] = static_cast<char>(value >> (24 - 8 * i));
  };
  put(16, width);
  put(20, height);
  put(29, static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef *>(png.data() + 12), 17)));
  return png;
}

TEST(Image, SizesAreLimitedBeforeMemoryIsAsked) {
  std::string png = picture("tiny.png");
  EXPECT_NO_THROW(decodeImage(bytesOf(resizedHeader(png, 7, 5)), "x.png", AlphaMode::Drop));
  expectError(612, [&] { decodeImage(bytesOf(resizedHeader(png, 70000, 5)), "x.png", AlphaMode::Drop); }, {"x.png", "70000 x 5"});
  expectError(612, [&] { decodeImage(bytesOf(resizedHeader(png, 60000, 60000)), "x.png", AlphaMode::Drop); }, {"60000 x 60000"});
  expectError(611, [&] { decodeImage(bytesOf(resizedHeader(png, 0, 5)), "x.png", AlphaMode::Drop); });
  expectError(611, [&] { decodeImage(bytesOf(resizedHeader(png, 0xffffffff, 5)), "x.png", AlphaMode::Drop); });
  // Within the limits, but 77 bytes cannot hold a picture of that size.
  expectError(611, [&] { decodeImage(bytesOf(resizedHeader(png, 10000, 10000)), "x.png", AlphaMode::Drop); }, {"10000 x 10000"});
}

TEST(Image, CutOffFilesAreRefused) {
  for (const char *name : {"rgb.png", "photo_q90_420.jpg", "progressive.jpg"}) {
    std::string file = picture(name);
    for (size_t keep : {size_t(9), size_t(30), file.size() / 2, file.size() - 20}) {
      std::string cut = file.substr(0, keep);
      expectError(611, [&] { decodeImage(bytesOf(cut), name, AlphaMode::Drop); }, {name});
    }
  }
}

Image gradient(int width, int height) {
  Image image{width, height, {}};
  for (int i = 0; i < width * height * 3; ++i)
    image.rgb.push_back(static_cast<uint8_t>(i * 7));
  return image;
}

TEST(Image, PngRoundTripWithTexts) {
  PngTexts texts{{"parameters", "a red square\nSteps: 25"}, {"hummingbird", "{\"prompt\": \"käse 犬\"}"}, {"empty", ""}};
  Image image = gradient(13, 7);
  std::string png = encodePng(image, texts);
  EXPECT_EQ(encodePng(image, texts), png) << "the same bytes every time";
  Image back = decodeImage(bytesOf(png), "out.png", AlphaMode::Drop);
  EXPECT_EQ(back.width, 13);
  EXPECT_EQ(back.rgb, image.rgb);
  EXPECT_EQ(readPngTexts(bytesOf(png), "out.png"), texts);
  EXPECT_NE(png.find("tEXtparameters"), std::string::npos);
  EXPECT_NE(png.find("iTXthummingbird"), std::string::npos);
  EXPECT_TRUE(readPngTexts(bytesOf(picture("rgb.png")), "rgb.png").empty());
}

TEST(Image, WritesAtomically) {
  ScratchFolder folder;
  writePng(folder.path("out.png"), gradient(3, 3), {{"a", "b"}});
  EXPECT_EQ(folder.fileCount(), 1u);
  EXPECT_EQ(readPngTexts(folder.path("out.png")), (PngTexts{{"a", "b"}}));
  expectError(901, [&] { writePng(folder.path("none/out.png"), gradient(3, 3)); });
}

/// A PNG chunk with its checksum.
std::string chunk(const std::string &type, const std::string &body) {
  auto number = [](uint32_t value) {
    std::string text;
    for (int i = 3; i >= 0; --i)
      text += static_cast<char>(value >> (8 * i));
    return text;
  };
  std::string checked = type + body;
  return number(static_cast<uint32_t>(body.size())) + checked +
         number(static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef *>(checked.data()), static_cast<uInt>(checked.size()))));
}

std::string compressed(const std::string &text) {
  std::string out(compressBound(text.size()), '\0');
  uLongf size = out.size();
  compress(reinterpret_cast<Bytef *>(out.data()), &size, reinterpret_cast<const Bytef *>(text.data()), text.size());
  return out.substr(0, size);
}

std::string withChunk(const std::string &text) {
  std::string png = encodePng(gradient(2, 2));
  return png.substr(0, 33) + text + png.substr(33); // after IHDR
}

TEST(PngTexts, OtherWritersForms) {
  using namespace std::string_literals;
  struct {
    std::string chunk, text;
  } rows[] = {{chunk("tEXt", "key\0caf\xe9"s), "café"},
              {chunk("zTXt", "key\0\0"s + compressed("packed")), "packed"},
              {chunk("iTXt", "key\0\1\0de\0Taste\0"s + compressed("gepäckt")), "gepäckt"},
              {chunk("iTXt", "key\0\0\0\0\0plain ä"s), "plain ä"}};
  for (auto &row : rows) {
    std::string png = withChunk(row.chunk);
    EXPECT_EQ(readPngTexts(bytesOf(png), "x.png"), (PngTexts{{"key", row.text}}));
  }
}

TEST(PngTexts, DamagedChunksAreRefused) {
  using namespace std::string_literals;
  std::string wrongSum = chunk("tEXt", "key\0value"s);
  wrongSum.back() ^= 1;
  for (const std::string &bad :
       {wrongSum, chunk("tEXt", "no zero"), chunk("zTXt", "key\0\1x"s), chunk("zTXt", "key\0\0not zlib"s), chunk("iTXt", "key\0\0\0"s),
        chunk("iTXt", "key\0\0\0\0\0\xff\xfe"s), chunk("iTXt", "key\0\2\0\0\0x"s), chunk("zTXt", "key\0\0"s + compressed(std::string(20 << 20, 'a')))}) {
    std::string png = withChunk(bad);
    expectError(611, [&] { readPngTexts(bytesOf(png), "x.png"); }, {"x.png"});
  }
  expectError(610, [&] { readPngTexts(bytesOf("hello"), "x.png"); }, {"x.png"});
}

} // namespace
} // namespace hb
