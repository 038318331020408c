// SDXL's size conditioning: six numbers beside the pooled embedding that tell the UNet about the picture's history.
#pragma once

#include <array>
#include <cstdint>

namespace hb {

/// A height and a width (or a top and a left corner), in pixels.
struct PixelPair {
  int64_t vertical, horizontal;
};

/// [original height, original width, crop top, crop left, target height, target width] as the UNet's time_ids row, in this order (public:
/// Podell et al., "SDXL", 2023, section 2.2, and diffusers' SDXL pipeline). Sizes from 1, corners from 0, all below 2^24. Error: HB0606.
std::array<float, 6> timeIds(PixelPair originalSize, PixelPair cropCorner, PixelPair targetSize);

/// What generation uses when the user gives nothing else: the whole image, uncropped.
inline std::array<float, 6> timeIds(int64_t height, int64_t width) { return timeIds({height, width}, {0, 0}, {height, width}); }

} // namespace hb
