#include "frontend/Source.h"

#include <algorithm>

namespace hb {

SourceFile::SourceFile(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)), lineStarts_{0} {
  for (size_t i = 0; i < text_.size(); ++i)
    if (text_[i] == '\n')
      lineStarts_.push_back(i + 1);
}

unsigned SourceFile::line(size_t offset) const {
  return static_cast<unsigned>(std::upper_bound(lineStarts_.begin(), lineStarts_.end(), offset) - lineStarts_.begin());
}

unsigned SourceFile::column(size_t offset) const {
  unsigned column = 1;
  // Continuation bytes of UTF-8 are part of the character before them.
  for (size_t i = lineStarts_[line(offset) - 1]; i < offset && i < text_.size(); ++i)
    column += (static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80;
  return column;
}

std::string_view SourceFile::lineText(unsigned line) const {
  if (line == 0 || line > lineStarts_.size())
    return {};
  size_t begin = lineStarts_[line - 1], end = text_.find('\n', begin);
  std::string_view text = std::string_view(text_).substr(begin, end == std::string::npos ? end : end - begin);
  return text.ends_with('\r') ? text.substr(0, text.size() - 1) : text;
}

std::string Span::where() const {
  if (!file)
    return "the program";
  return file->name() + ":" + std::to_string(file->line(begin)) + ":" + std::to_string(file->column(begin));
}

std::string_view Span::text() const { return file ? std::string_view(file->text()).substr(begin, end - begin) : std::string_view(); }

} // namespace hb
