#include "runtime/pipeline/Unicode.h"

#include "runtime/base/Error.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <new>

namespace hb::unicode {
namespace {

/// Decodes one character at `at`, moves behind it; −1 if the bytes are not UTF-8. The library refuses surrogates, overlong forms and
/// values above U+10FFFF.
int32_t next(std::string_view text, size_t &at) {
  utf8proc_int32_t code;
  utf8proc_ssize_t used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t *>(text.data() + at), utf8proc_ssize_t(text.size() - at), &code);
  if (used <= 0)
    return -1;
  at += size_t(used);
  return code;
}

std::u32string normalise(std::u32string_view text, int form) {
  std::string bytes = encode(text);
  utf8proc_uint8_t *raw = nullptr;
  utf8proc_ssize_t length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t *>(bytes.data()), utf8proc_ssize_t(bytes.size()), &raw,
                                         utf8proc_option_t(UTF8PROC_STABLE | form));
  std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(raw, &std::free);
  // The input is valid UTF-8 and short, so memory is all that can be missing.
  if (length < 0)
    throw std::bad_alloc();
  std::u32string out;
  decode({reinterpret_cast<const char *>(raw), size_t(length)}, out);
  return out;
}

utf8proc_category_t category(char32_t c) { return utf8proc_category(utf8proc_int32_t(c)); }

bool between(utf8proc_category_t value, utf8proc_category_t low, utf8proc_category_t high) { return value >= low && value <= high; }

void appendLower(std::u32string &out, char32_t c) {
  // İ is the only character whose full lower case is longer than one character.
  if (c == U'\u0130')
    out += U"i\u0307";
  else
    out += char32_t(utf8proc_tolower(utf8proc_int32_t(c)));
}

/// Characters that stand between letters of one word without being letters, for the rule of the final sigma.
bool isCaseIgnorable(char32_t c) {
  utf8proc_category_t k = category(c);
  return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK ||
         std::u32string_view(U"'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A").find(c) != std::u32string_view::npos;
}

/// Letters with case, and the few others with the property: ordinal indicators, Roman numerals, circled letters.
bool isCased(char32_t c) {
  return between(category(c), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LT) || c == 0xAA || c == 0xBA || (c >= 0x2160 && c <= 0x217F) ||
         (c >= 0x24B6 && c <= 0x24E9);
}

/// Σ at `at` ends a word: a cased letter before it, none behind it, both beyond any number of case-ignorable characters.
bool isFinalSigma(std::u32string_view text, size_t at) {
  size_t before = at, behind = at + 1;
  while (before > 0 && isCaseIgnorable(text[before - 1]))
    --before;
  while (behind < text.size() && isCaseIgnorable(text[behind]))
    ++behind;
  return before > 0 && isCased(text[before - 1]) && !(behind < text.size() && isCased(text[behind]));
}

} // namespace

bool decode(std::string_view text, std::u32string &out) {
  out.clear();
  for (size_t at = 0; at < text.size();) {
    int32_t code = next(text, at);
    if (code < 0)
      return false;
    out += char32_t(code);
  }
  return true;
}

std::u32string decodeText(std::string_view text, std::string_view where) {
  if (text.size() > kLongestText)
    throw Error(602, std::string(where), "at most 65536 bytes", std::to_string(text.size()) + " bytes", "shorten the text");
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    size_t start = at;
    int32_t code = next(text, at);
    if (code < 0)
      throw Error(601, std::string(where), "UTF-8", "other bytes, first at byte " + std::to_string(start), "convert the text to UTF-8");
    out += char32_t(code);
  }
  return out;
}

std::string encode(std::u32string_view text) {
  std::string out;
  utf8proc_uint8_t bytes[4];
  for (char32_t c : text)
    out.append(reinterpret_cast<char *>(bytes), size_t(utf8proc_encode_char(utf8proc_int32_t(c), bytes)));
  return out;
}

std::u32string nfc(std::u32string_view text) { return normalise(text, UTF8PROC_COMPOSE); }
std::u32string nfd(std::u32string_view text) { return normalise(text, UTF8PROC_DECOMPOSE); }

std::u32string lowerCharacters(std::u32string_view text) {
  std::u32string out;
  for (char32_t c : text)
    appendLower(out, c);
  return out;
}

std::u32string lowerText(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] == U'\u03A3' && isFinalSigma(text, i))
      out += U'\u03C2';
    else
      appendLower(out, text[i]);
  return out;
}

bool isLetter(char32_t c) { return between(category(c), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO); }
bool isNumber(char32_t c) { return between(category(c), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO); }
bool isPunctuation(char32_t c) { return between(category(c), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO); }
bool isAccent(char32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }
bool isOther(char32_t c) {
  utf8proc_category_t k = category(c);
  return k == UTF8PROC_CATEGORY_CN || between(k, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO);
}

bool isSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}
bool isPythonSpace(char32_t c) { return isSpace(c) || (c >= 0x1C && c <= 0x1F); }

} // namespace hb::unicode
