// Pictures in and out: PNG and JPEG files as 8-bit RGB, PNG files with text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace hb {

/// 8-bit RGB, row-major, three bytes a pixel, rows without padding.
struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb; ///< height · width · 3
};

/// What to do with an alpha channel (or a transparent palette entry).
enum class AlphaMode {
  Drop,      ///< keep the colours as stored (Pillow's convert("RGB"), transformers before 5)
  OverWhite, ///< composite on white, rounded as Pillow's alpha_composite does (transformers 5's image processors)
};

/// Limits that a picture from a user must keep.
constexpr int kMaxImageSide = 65'535;
constexpr int64_t kMaxImagePixels = int64_t(1) << 27;

/// Decodes PNG (any colour type and depth, interlaced or not; 16-bit samples keep their high byte; no gamma) or JPEG (baseline
/// and progressive, grey, YCbCr, CMYK) with libjpeg's accurate integer inverse DCT and smooth chroma upsampling, which gives
/// the bytes Pillow gives. Orientation tags are not applied. `where` names the file in messages.
/// HB0610 no such format, HB0611 damaged or cut off, HB0612 too large.
Image decodeImage(std::span<const std::byte> bytes, const std::string &where, AlphaMode alpha);
/// The same for a file; HB0902 when it cannot be read.
Image readImage(const std::string &path, AlphaMode alpha);

/// Texts stored in a PNG: (keyword, UTF-8 text), in file order. A keyword is 1 to 79 printable Latin-1 characters.
using PngTexts = std::vector<std::pair<std::string, std::string>>;

/// An 8-bit RGB PNG. ASCII texts become tEXt chunks, others iTXt, before the picture data. The same picture and texts give
/// the same bytes on every run with one zlib (no time stamp).
std::string encodePng(const Image &image, const PngTexts &texts = {});
/// Encodes and writes atomically (HB0901).
void writePng(const std::string &path, const Image &image, const PngTexts &texts = {});

/// The tEXt, zTXt and iTXt chunks of a PNG. HB0610 when it is no PNG, HB0611 when a chunk is damaged or expands to more than 16 MB.
PngTexts readPngTexts(std::span<const std::byte> bytes, const std::string &where);
PngTexts readPngTexts(const std::string &path);

} // namespace hb
