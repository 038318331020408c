// The text chunks of a PNG, read by walking the chunks: the picture data need not be decoded for them.
// Layout: PNG specification, third edition, 5.3 (chunks) and 11.3.3 (tEXt, zTXt, iTXt).
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/formats/Image.h"

#include <zlib.h>

#include <cstring>
#include <optional>

namespace hb {
namespace {

constexpr size_t kMaxText = 16u << 20;
constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n", 8);

uint32_t bigEndian(const char *from) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i)
    value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

std::string latin1ToUtf8(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else {
      out += static_cast<char>(0xC0 | c >> 6);
      out += static_cast<char>(0x80 | (c & 0x3F));
    }
  }
  return out;
}

/// The text before the next zero byte, which is consumed too.
std::optional<std::string_view> takeString(std::string_view &rest) {
  size_t zero = rest.find('\0');
  if (zero == std::string_view::npos)
    return std::nullopt;
  std::string_view text = rest.substr(0, zero);
  rest.remove_prefix(zero + 1);
  return text;
}

/// Expands zlib data to at most kMaxText bytes; nothing when it is damaged or larger.
std::optional<std::string> inflateText(std::string_view packed) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK)
    return std::nullopt;
  std::string out;
  char buffer[16384];
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int status = Z_OK;
  while (status == Z_OK && out.size() <= kMaxText) {
    stream.next_out = reinterpret_cast<Bytef *>(buffer);
    stream.avail_out = sizeof buffer;
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer, sizeof buffer - stream.avail_out);
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || out.size() > kMaxText)
    return std::nullopt;
  return out;
}

using Entry = std::optional<std::pair<std::string, std::string>>;

Entry parsePlain(std::string_view rest) {
  auto keyword = takeString(rest);
  if (!keyword)
    return std::nullopt;
  return std::pair(latin1ToUtf8(*keyword), latin1ToUtf8(rest));
}

Entry parseCompressed(std::string_view rest) {
  auto keyword = takeString(rest);
  if (!keyword || rest.empty() || rest[0] != 0)
    return std::nullopt;
  auto text = inflateText(rest.substr(1));
  if (!text)
    return std::nullopt;
  return std::pair(latin1ToUtf8(*keyword), latin1ToUtf8(*text));
}

Entry parseInternational(std::string_view rest) {
  auto keyword = takeString(rest);
  if (!keyword || rest.size() < 2)
    return std::nullopt;
  bool compressed = rest[0] == 1;
  if ((rest[0] != 0 && rest[0] != 1) || rest[1] != 0)
    return std::nullopt;
  rest.remove_prefix(2);
  if (!takeString(rest) || !takeString(rest)) // language tag, translated keyword
    return std::nullopt;
  std::optional<std::string> text = compressed ? inflateText(rest) : std::string(rest);
  if (!text || !isUtf8(*text))
    return std::nullopt;
  return std::pair(latin1ToUtf8(*keyword), *text);
}

struct Kind {
  std::string_view type;
  Entry (*parse)(std::string_view);
};
constexpr Kind kKinds[] = {{"tEXt", parsePlain}, {"zTXt", parseCompressed}, {"iTXt", parseInternational}};

} // namespace

PngTexts readPngTexts(std::span<const std::byte> bytes, const std::string &where) {
  std::string file = printable(where, 1024);
  std::string_view rest(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  if (!rest.starts_with(kSignature))
    throw Error(610, file, "a picture in PNG format", "something else", "only PNG files carry texts");
  rest.remove_prefix(kSignature.size());
  auto damaged = [&](const std::string &found) { throw Error(611, file, "a sound PNG file", found, "save the picture again"); };
  PngTexts texts;
  size_t total = 0;
  while (true) {
    if (rest.size() < 12)
      damaged("the file's end, too early");
    uint32_t length = bigEndian(rest.data());
    if (length > rest.size() - 12)
      damaged("a chunk longer than the file");
    std::string_view type = rest.substr(4, 4), body = rest.substr(8, length);
    if (type == "IEND")
      return texts;
    for (const Kind &kind : kKinds) {
      if (type != kind.type)
        continue;
      if (crc32(0, reinterpret_cast<const Bytef *>(rest.data() + 4), length + 4) != bigEndian(rest.data() + 8 + length))
        damaged("a text chunk with a wrong checksum");
      Entry entry = length > kMaxText ? std::nullopt : kind.parse(body);
      if (!entry || (total += entry->second.size()) > kMaxText)
        damaged("a malformed text chunk");
      texts.push_back(std::move(*entry));
    }
    rest.remove_prefix(size_t(length) + 12);
  }
}

} // namespace hb
