#include "runtime/formats/Image.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/formats/ImageCodecs.h"

#include <cstring>

namespace hb {
namespace {

/// First bytes of formats people have; the ones without a decoder are here for the message's sake.
struct Magic {
  const char *name;
  std::string_view bytes;
  size_t offset;
  Image (*decode)(std::span<const std::byte>, const std::string &, AlphaMode);
};
constexpr Magic kMagics[] = {{"PNG", std::string_view("\x89PNG\r\n\x1a\n", 8), 0, decodePng},
                             {"JPEG", "\xff\xd8\xff", 0, decodeJpeg},
                             {"WebP", "WEBP", 8, nullptr},
                             {"GIF", "GIF8", 0, nullptr},
                             {"BMP", "BM", 0, nullptr},
                             {"TIFF", std::string_view("II*\0", 4), 0, nullptr},
                             {"AVIF or HEIF", "ftyp", 4, nullptr}};

} // namespace

Image decodeImage(std::span<const std::byte> bytes, const std::string &where, AlphaMode alpha) {
  std::string file = printable(where, 1024);
  const char *name = bytes.empty() ? "an empty file" : "something else";
  for (const Magic &magic : kMagics) {
    if (bytes.size() < magic.offset + magic.bytes.size() || std::memcmp(bytes.data() + magic.offset, magic.bytes.data(), magic.bytes.size()) != 0)
      continue;
    if (magic.decode)
      return magic.decode(bytes, file, alpha);
    name = magic.name;
    break;
  }
  throw Error(610, file, "a picture in PNG or JPEG format", name, "convert it to PNG");
}

Image readImage(const std::string &path, AlphaMode alpha) {
  MappedFile file(path);
  return decodeImage(file.bytes(), path, alpha);
}

void checkImageSize(uint64_t width, uint64_t height, const std::string &where) {
  if (width < 1 || height < 1 || width > kMaxImageSide || height > kMaxImageSide || width * height > kMaxImagePixels)
    throw Error(612, where, "a picture of at most " + std::to_string(kMaxImageSide) + " pixels a side and " + std::to_string(kMaxImagePixels) + " in all",
                std::to_string(width) + " x " + std::to_string(height), "scale it down first");
}

void compositeOverWhite(const uint8_t *rgba, size_t pixels, uint8_t *rgb) {
  for (size_t i = 0; i < pixels; ++i, rgba += 4, rgb += 3) {
    unsigned alpha = rgba[3];
    for (int c = 0; c < 3; ++c) {
      // Pillow weighs both layers in 1/128ths of a level, rounds the sum once and divides by 255 with two shifts.
      unsigned sum = rgba[c] * (alpha * 128) + 255 * (255 * 128 - alpha * 128);
      sum += 0x80 << 7;
      rgb[c] = static_cast<uint8_t>((((sum >> 8) + sum) >> 8) >> 7);
    }
  }
}

void writePng(const std::string &path, const Image &image, const PngTexts &texts) { writeFileAtomically(path, encodePng(image, texts)); }

PngTexts readPngTexts(const std::string &path) {
  MappedFile file(path);
  return readPngTexts(file.bytes(), path);
}

} // namespace hb
