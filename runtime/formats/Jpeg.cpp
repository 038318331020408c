// JPEG through libjpeg(-turbo). As in Png.cpp, functions that call setjmp hold plain values only.
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/formats/ImageCodecs.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>

#include <jerror.h>

namespace hb {
namespace {

/// A progressive file of a few kilobytes can hold thousands of scans over a huge picture.
constexpr int kMaxScans = 200;

struct ErrorManager {
  jpeg_error_mgr base; // first: libjpeg only knows this part
  jmp_buf target;
  CodecMessage message;
};

void onExit(j_common_ptr common) {
  auto *manager = reinterpret_cast<ErrorManager *>(common->err);
  char text[JMSG_LENGTH_MAX];
  common->err->format_message(common, text);
  std::strncpy(manager->message.text, text, sizeof manager->message.text - 1);
  std::longjmp(manager->target, 1);
}

/// Warnings are negative levels. libjpeg fills what is missing with grey; a file that was cut off is an error here.
void onMessage(j_common_ptr common, int level) {
  if (level >= 0)
    return;
  ++common->err->num_warnings;
  if (common->err->msg_code == JWRN_JPEG_EOF || common->err->msg_code == JWRN_HIT_MARKER)
    onExit(common);
}

void onProgress(j_common_ptr common) {
  auto *decoder = reinterpret_cast<j_decompress_ptr>(common);
  if (decoder->input_scan_number > kMaxScans) {
    common->err->msg_code = JERR_BAD_PROGRESSION; // the nearest of libjpeg's messages; parameters are unused
    onExit(common);
  }
}

struct Decoder {
  jpeg_decompress_struct jpeg{};
  jpeg_progress_mgr progress{};
  ErrorManager errors{};
  Decoder() {
    jpeg.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = onExit;
    errors.base.emit_message = onMessage;
  }
  ~Decoder() { jpeg_destroy_decompress(&jpeg); }
};

bool readHeader(Decoder &decoder, const std::byte *data, size_t size) {
  if (setjmp(decoder.errors.target))
    return false;
  jpeg_create_decompress(&decoder.jpeg);
  decoder.progress.progress_monitor = onProgress;
  decoder.jpeg.progress = &decoder.progress;
  jpeg_mem_src(&decoder.jpeg, reinterpret_cast<const unsigned char *>(data), static_cast<unsigned long>(size));
  jpeg_read_header(&decoder.jpeg, TRUE);
  return true;
}

bool start(Decoder &decoder) {
  if (setjmp(decoder.errors.target))
    return false;
  bool fourChannels = decoder.jpeg.jpeg_color_space == JCS_CMYK || decoder.jpeg.jpeg_color_space == JCS_YCCK;
  decoder.jpeg.out_color_space = fourChannels ? JCS_CMYK : JCS_RGB;
  decoder.jpeg.dct_method = JDCT_ISLOW;
  decoder.jpeg.do_fancy_upsampling = TRUE;
  jpeg_start_decompress(&decoder.jpeg);
  return true;
}

bool readRows(Decoder &decoder, uint8_t *pixels, size_t rowBytes) {
  if (setjmp(decoder.errors.target))
    return false;
  while (decoder.jpeg.output_scanline < decoder.jpeg.output_height) {
    JSAMPROW row = pixels + decoder.jpeg.output_scanline * rowBytes;
    jpeg_read_scanlines(&decoder.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&decoder.jpeg);
  return true;
}

/// Pillow's CMYK to RGB: (255 − k) scaled by (255 − ink). Files with an Adobe marker store all four inverted.
void cmykToRgb(const uint8_t *cmyk, size_t pixels, bool inverted, uint8_t *rgb) {
  for (size_t i = 0; i < pixels; ++i, cmyk += 4, rgb += 3) {
    int white = inverted ? cmyk[3] : 255 - cmyk[3];
    for (int c = 0; c < 3; ++c) {
      int ink = inverted ? 255 - cmyk[c] : cmyk[c];
      int product = ink * white + 128;
      rgb[c] = static_cast<uint8_t>(white - ((product + (product >> 8)) >> 8));
    }
  }
}

[[noreturn]] void failDamaged(const std::string &where, const Decoder &decoder) {
  throw Error(611, where, "a sound JPEG file", printable(decoder.errors.message.text), "save the picture again");
}

} // namespace

Image decodeJpeg(std::span<const std::byte> bytes, const std::string &where, AlphaMode) {
  Decoder decoder;
  if (!readHeader(decoder, bytes.data(), bytes.size()))
    failDamaged(where, decoder);
  uint64_t width = decoder.jpeg.image_width, height = decoder.jpeg.image_height;
  checkImageSize(width, height, where);
  // A block of 8×8 costs at least one bit even in the leanest scan; less data than that cannot be the picture it claims.
  if (width * height / 512 > bytes.size())
    throw Error(611, where, "picture data for " + std::to_string(width) + " x " + std::to_string(height) + " pixels", std::to_string(bytes.size()) + " bytes",
                "the file is cut off or damaged; save the picture again");
  if (!start(decoder))
    failDamaged(where, decoder);

  size_t pixels = static_cast<size_t>(width * height), channels = static_cast<size_t>(decoder.jpeg.output_components);
  Image image{static_cast<int>(width), static_cast<int>(height), {}};
  image.rgb.resize(pixels * 3);
  if (channels == 3) {
    if (!readRows(decoder, image.rgb.data(), width * 3))
      failDamaged(where, decoder);
    return image;
  }
  std::vector<uint8_t> cmyk(pixels * channels);
  if (!readRows(decoder, cmyk.data(), width * channels))
    failDamaged(where, decoder);
  cmykToRgb(cmyk.data(), pixels, decoder.jpeg.saw_Adobe_marker, image.rgb.data());
  return image;
}

} // namespace hb
