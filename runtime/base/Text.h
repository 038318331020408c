// Text taken from files, made safe to print.
#pragma once

#include <string>
#include <string_view>

namespace hb {

/// A name found in a user's file as it may appear in a message: control bytes and broken UTF-8 become `?`, and everything
/// after `limit` bytes becomes `…`. Terminals act on escape sequences, so names from files are never printed raw.
std::string printable(std::string_view text, size_t limit = 240);

/// True when the bytes are well-formed UTF-8 (no overlong forms, no surrogates).
bool isUtf8(std::string_view text);

/// The last component of a path; messages name files by it.
std::string baseName(const std::string &path);

/// `folder/name`, without doubling the slash.
std::string joinPath(const std::string &folder, const std::string &name);

/// `[2, 3]`, as Python prints a shape.
template <typename Range> std::string shapeText(const Range &shape) {
  std::string text = "[";
  for (auto extent : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

} // namespace hb
