// Pictures to pixel values: the two published ways, to the bit where bits are defined.
//
// Generation and validation use CLIP's image processor: Pillow's bicubic resize on bytes, centre crop, rescale, normalise. Training squashes
// the reference picture with torch's bicubic interpolation on floats. They differ in kernel (a = −0.5 and −0.75), antialiasing, geometry
// and range, and may not replace each other.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

/// 8-bit RGB, rows from top to bottom, three bytes a pixel, no padding. Does not own its pixels.
struct RgbView {
  const uint8_t *pixels;
  int64_t width, height;
};

/// A rectangle of pixels: columns [left, left+width), rows [top, top+height).
struct PixelWindow {
  int64_t left, top, width, height;
};

/// Pillow's Image.resize((width, height), BICUBIC) on 8-bit RGB, to the bit; only the window of the result is computed and returned, as
/// [window.height, window.width, 3] bytes. Error: HB0605 (empty or oversized image or result, window outside).
std::vector<uint8_t> resizeBicubic(RgbView image, int64_t width, int64_t height, PixelWindow window);
/// The whole result.
std::vector<uint8_t> resizeBicubic(RgbView image, int64_t width, int64_t height);

/// Per channel: value = (value − mean)/std.
struct ChannelScale {
  std::array<float, 3> mean, std;
};
/// The statistics of OpenAI's CLIP, which every network of the pipeline and of the rewards uses.
constexpr ChannelScale kClipScale = {{0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}};

/// preprocessor_config.json of a CLIPImageProcessor or a BlipImageProcessor.
struct PreprocessConfig {
  bool resize = true, centerCrop = true, rescale = true, normalise = true;
  int64_t shortestEdge = 224;                  ///< the picture's short side after resizing; 0: resizeHeight × resizeWidth instead
  int64_t resizeHeight = 0, resizeWidth = 0;   ///< aspect ratio not kept
  int64_t cropHeight = 224, cropWidth = 224;
  double rescaleFactor = 1 / 255.0;
  ChannelScale scale = kClipScale;

  /// Errors: HB0902 (read only), HB0632 – HB0635.
  static PreprocessConfig read(const std::string &path);
  static PreprocessConfig parse(std::string_view text, std::string where);

  /// Height and width that pictures have before the crop. Error: HB0605.
  std::array<int64_t, 2> resizedSize(int64_t width, int64_t height) const;
  /// Resized and cropped bytes, [height, width, 3]; where the crop is larger than the picture, black around it.
  std::vector<uint8_t> cropped(RgbView image, int64_t &width, int64_t &height) const;
  /// pixel_values of one picture: float32 [3, height, width]. Error: HB0605.
  std::vector<float> apply(RgbView image, int64_t &width, int64_t &height) const;
};

/// The training script's transform: bytes/255, torch's bicubic interpolation (align_corners false, no antialiasing) straight to
/// size × size, normalise. float32 [3, size, size]; values may leave the range of the picture. Error: HB0605.
std::vector<float> squashPixels(RgbView image, int64_t size, const ChannelScale &scale = kClipScale);

} // namespace hb
