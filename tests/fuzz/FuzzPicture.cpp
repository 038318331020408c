// Any bytes as a picture, and as a PNG with texts.
#include "runtime/base/Error.h"
#include "runtime/formats/Image.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::span<const std::byte> bytes(reinterpret_cast<const std::byte *>(data), size);
  for (hb::AlphaMode mode : {hb::AlphaMode::Drop, hb::AlphaMode::OverWhite})
    try {
      hb::Image image = hb::decodeImage(bytes, "picture", mode);
      if (image.rgb.size() != static_cast<size_t>(image.width) * image.height * 3)
        std::abort();
    } catch (const hb::Error &) {
    }
  try {
    hb::readPngTexts(bytes, "picture");
  } catch (const hb::Error &) {
  }
  return 0;
}
