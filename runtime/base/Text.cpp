#include "runtime/base/Text.h"

namespace hb {
namespace {

/// Length of the well-formed UTF-8 sequence at the start of `text`; 0 when there is none (table 3-7 of the Unicode standard).
size_t sequenceLength(std::string_view text) {
  auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto between = [](unsigned value, unsigned low, unsigned high) { return value >= low && value <= high; };
  unsigned first = at(0);
  if (first < 0x80)
    return text.empty() ? 0 : 1;
  if (between(first, 0xC2, 0xDF))
    return between(at(1), 0x80, 0xBF) ? 2 : 0;
  if (between(first, 0xE0, 0xEF)) {
    // The second byte's range excludes overlong forms (E0) and surrogates (ED).
    unsigned low = first == 0xE0 ? 0xA0 : 0x80, high = first == 0xED ? 0x9F : 0xBF;
    return between(at(1), low, high) && between(at(2), 0x80, 0xBF) ? 3 : 0;
  }
  if (between(first, 0xF0, 0xF4)) {
    unsigned low = first == 0xF0 ? 0x90 : 0x80, high = first == 0xF4 ? 0x8F : 0xBF;
    return between(at(1), low, high) && between(at(2), 0x80, 0xBF) && between(at(3), 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

} // namespace

std::string printable(std::string_view text, size_t limit) {
  std::string out;
  while (!text.empty()) {
    size_t length = sequenceLength(text);
    unsigned char first = static_cast<unsigned char>(text[0]);
    // C1 control characters (U+0080 – U+009F) are terminal commands too: C2 80 – C2 9F.
    bool control = first < 0x20 || first == 0x7F || (length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0);
    if (out.size() + (length ? length : 1) > limit)
      return out + "…";
    if (length == 0 || control)
      out += '?';
    else
      out.append(text.substr(0, length));
    text.remove_prefix(length ? length : 1);
  }
  return out;
}

bool isUtf8(std::string_view text) {
  while (!text.empty()) {
    size_t length = sequenceLength(text);
    if (length == 0)
      return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string baseName(const std::string &path) {
  size_t end = path.find_last_not_of('/');
  if (end == std::string::npos)
    return path;
  size_t slash = path.rfind('/', end);
  size_t begin = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(begin, end - begin + 1);
}

std::string joinPath(const std::string &folder, const std::string &name) {
  if (folder.empty())
    return name;
  return folder.back() == '/' ? folder + name : folder + "/" + name;
}

} // namespace hb
