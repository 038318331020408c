// PNG through libpng. libpng reports errors by longjmp, which must not skip a destructor: the functions that call setjmp hold
// plain values only, and everything with a destructor lives in their callers.
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/formats/ImageCodecs.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

namespace hb {
namespace {

struct Source {
  const std::byte *data;
  size_t size, position;
};

void onError(png_structp png, png_const_charp message) {
  auto *target = static_cast<CodecMessage *>(png_get_error_ptr(png));
  std::strncpy(target->text, message, sizeof target->text - 1);
  png_longjmp(png, 1);
}

void onWarning(png_structp, png_const_charp) {} // a warning changes no pixel that is delivered

void onRead(png_structp png, png_bytep target, size_t size) {
  auto *source = static_cast<Source *>(png_get_io_ptr(png));
  if (size > source->size - source->position)
    png_error(png, "the file ends too early");
  std::memcpy(target, source->data + source->position, size);
  source->position += size;
}

void onWrite(png_structp png, png_bytep data, size_t size) {
  // libpng is not made for exceptions; out of memory here is reported as libpng reports errors.
  try {
    static_cast<std::string *>(png_get_io_ptr(png))->append(reinterpret_cast<const char *>(data), size);
  } catch (...) {
    png_error(png, "out of memory");
  }
}
void onFlush(png_structp) {}

/// Reader state whose destructor frees what libpng holds.
struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  CodecMessage message;
  Source source{};
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

/// True when no chunk claims more bytes than the file has left. libpng allocates what an ancillary chunk claims before it reads it,
/// up to 2 GiB (its limit for chunks is a benign error only), so this is asked first.
bool chunksFit(const Source &source) {
  constexpr size_t kSignature = 8, kHead = 8, kChecksum = 4;
  for (size_t at = kSignature; source.size > at && source.size - at >= kHead;) {
    auto byte = [&](size_t i) { return std::to_integer<uint64_t>(source.data[at + i]); };
    uint64_t length = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
    if (length > source.size - at - kHead)
      return false;
    if (std::memcmp(source.data + at + 4, "IEND", 4) == 0) // what follows is not the picture's
      return true;
    at += kHead + static_cast<size_t>(length) + kChecksum;
  }
  return true;
}

/// Reads up to the first IDAT and gives the size. False with a message on failure.
bool readHeader(Reader &reader, png_uint_32 &width, png_uint_32 &height) {
  if (!chunksFit(reader.source)) {
    std::strncpy(reader.message.text, "the file ends too early", sizeof reader.message.text - 1);
    return false;
  }
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader.message, onError, onWarning);
  if (!reader.png || !(reader.info = png_create_info_struct(reader.png)))
    return false;
  if (setjmp(png_jmpbuf(reader.png)))
    return false;
  png_set_read_fn(reader.png, &reader.source, onRead);
  // Sizes are checked by the caller with a better message; these bound what ancillary chunks may cost.
  png_set_user_limits(reader.png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_cache_max(reader.png, 128);
  png_set_chunk_malloc_max(reader.png, 4 << 20);
  png_set_crc_action(reader.png, PNG_CRC_ERROR_QUIT, PNG_CRC_QUIET_USE);
  png_read_info(reader.png, reader.info);
  width = png_get_image_width(reader.png, reader.info);
  height = png_get_image_height(reader.png, reader.info);
  return true;
}

/// Asks for 8-bit RGB, or RGBA when `withAlpha`; gives the bytes of a row.
bool chooseTransforms(Reader &reader, bool withAlpha, size_t &rowBytes) {
  if (setjmp(png_jmpbuf(reader.png)))
    return false;
  png_structp png = reader.png;
  int type = png_get_color_type(png, reader.info);
  bool transparency = png_get_valid(png, reader.info, PNG_INFO_tRNS) != 0;
  if (type == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(png);
  else if (!(type & PNG_COLOR_MASK_COLOR)) {
    if (png_get_bit_depth(png, reader.info) < 8)
      png_set_expand_gray_1_2_4_to_8(png);
    png_set_gray_to_rgb(png);
  }
  png_set_strip_16(png);
  if (withAlpha) {
    if (transparency)
      png_set_tRNS_to_alpha(png);
    else if (!(type & PNG_COLOR_MASK_ALPHA))
      png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
  } else {
    png_set_strip_alpha(png);
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, reader.info);
  rowBytes = png_get_rowbytes(png, reader.info);
  return true;
}

bool readRows(Reader &reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png)))
    return false;
  png_read_image(reader.png, rows);
  png_read_end(reader.png, nullptr);
  return true;
}

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  CodecMessage message;
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

bool writeAll(Writer &writer, std::string &out, const Image &image, png_textp texts, int textCount) {
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer.message, onError, onWarning);
  if (!writer.png || !(writer.info = png_create_info_struct(writer.png)))
    return false;
  if (setjmp(png_jmpbuf(writer.png)))
    return false;
  png_set_write_fn(writer.png, &out, onWrite, onFlush);
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (textCount)
    png_set_text(writer.png, writer.info, texts, textCount);
  png_write_info(writer.png, writer.info);
  for (int y = 0; y < image.height; ++y)
    png_write_row(writer.png, image.rgb.data() + static_cast<size_t>(y) * image.width * 3);
  png_write_end(writer.png, nullptr);
  return true;
}

[[noreturn]] void failDamaged(const std::string &where, const CodecMessage &message) {
  throw Error(611, where, "a sound PNG file", message.text[0] ? printable(message.text) : "a damaged one", "save the picture again");
}

bool isAscii(const std::string &text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return (c >= 0x20 && c < 0x7f) || c == '\n'; });
}

} // namespace

Image decodePng(std::span<const std::byte> bytes, const std::string &where, AlphaMode alpha) {
  Reader reader;
  reader.source = {bytes.data(), bytes.size(), 0};
  png_uint_32 width = 0, height = 0;
  if (!readHeader(reader, width, height))
    failDamaged(where, reader.message);
  checkImageSize(width, height, where);

  // deflate expands at most 1032-fold, and each row is at least a filter byte and a byte: a tiny file that claims a huge
  // picture is refused before the picture's memory is asked for.
  uint64_t packedRow = 1 + (static_cast<uint64_t>(width) * png_get_channels(reader.png, reader.info) * png_get_bit_depth(reader.png, reader.info) + 7) / 8;
  if (packedRow * height / 1032 > bytes.size())
    throw Error(611, where, "picture data for " + std::to_string(width) + " x " + std::to_string(height) + " pixels", std::to_string(bytes.size()) + " bytes",
                "the file is cut off or damaged; save the picture again");

  bool withAlpha = alpha == AlphaMode::OverWhite &&
                   ((png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_ALPHA) || png_get_valid(reader.png, reader.info, PNG_INFO_tRNS));
  size_t rowBytes = 0, channels = withAlpha ? 4 : 3;
  if (!chooseTransforms(reader, withAlpha, rowBytes) || rowBytes != width * channels)
    failDamaged(where, reader.message);

  std::vector<uint8_t> pixels(rowBytes * height);
  std::vector<png_bytep> rows(height);
  for (size_t y = 0; y < height; ++y)
    rows[y] = pixels.data() + y * rowBytes;
  if (!readRows(reader, rows.data()))
    failDamaged(where, reader.message);

  Image image{static_cast<int>(width), static_cast<int>(height), {}};
  if (!withAlpha) {
    image.rgb = std::move(pixels);
    return image;
  }
  image.rgb.resize(static_cast<size_t>(width) * height * 3);
  compositeOverWhite(pixels.data(), static_cast<size_t>(width) * height, image.rgb.data());
  return image;
}

std::string encodePng(const Image &image, const PngTexts &texts) {
  std::vector<png_text> chunks;
  for (const auto &[keyword, text] : texts) {
    png_text chunk{};
    // iTXt is the UTF-8 one; plain ASCII stays tEXt because more tools read it.
    chunk.compression = isAscii(text) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    chunk.key = const_cast<char *>(keyword.c_str());
    chunk.text = const_cast<char *>(text.c_str());
    (isAscii(text) ? chunk.text_length : chunk.itxt_length) = text.size();
    chunks.push_back(chunk);
  }
  Writer writer;
  std::string out;
  if (!writeAll(writer, out, image, chunks.data(), static_cast<int>(chunks.size())))
    throw Error(999, "PNG encoder", "a picture that can be encoded", writer.message.text, "please report this");
  return out;
}

} // namespace hb
