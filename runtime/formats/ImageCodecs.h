// What Image.cpp and the decoders share. Not for other parts.
#pragma once

#include "runtime/formats/Image.h"

namespace hb {

Image decodePng(std::span<const std::byte> bytes, const std::string &where, AlphaMode alpha);
Image decodeJpeg(std::span<const std::byte> bytes, const std::string &where, AlphaMode alpha);

/// HB0612 when a side is 0 or the limits of Image.h are passed.
void checkImageSize(uint64_t width, uint64_t height, const std::string &where);
/// `pixels` RGBA values to RGB on a white ground.
void compositeOverWhite(const uint8_t *rgba, size_t pixels, uint8_t *rgb);

/// A library's message, copied before it unwinds with longjmp: no C++ object may be created in between.
struct CodecMessage {
  char text[200] = "";
};

} // namespace hb
