// Text of the model language and places in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

/// One `.hb` file in memory. `name` is what messages print: `models/sdxl/unet.hb` for an embedded file, else the path given.
class SourceFile {
public:
  SourceFile(std::string name, std::string text);

  const std::string &name() const { return name_; }
  const std::string &text() const { return text_; }
  /// 1-based line of a byte offset, and its 1-based column (in characters, as editors count).
  unsigned line(size_t offset) const;
  unsigned column(size_t offset) const;
  /// A line's text without its end; empty for a line that does not exist.
  std::string_view lineText(unsigned line) const;

private:
  std::string name_, text_;
  std::vector<size_t> lineStarts_;
};

/// A stretch of a file. Files outlive every span: the library that loaded them owns them.
struct Span {
  const SourceFile *file = nullptr;
  uint32_t begin = 0, end = 0;

  /// `file:line:column`, or "the program" without a file.
  std::string where() const;
  std::string_view text() const;
  /// From the start of this one to the end of `last`.
  Span to(const Span &last) const { return {file, begin, last.end}; }
};

} // namespace hb
