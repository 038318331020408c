// What the project's own pages share: hbc plan --html and the trainer's report.html. One file each, nothing fetched from anywhere.
#pragma once

#include <string>
#include <string_view>

namespace hb {

/// Text as it may stand between tags and in quoted attributes.
std::string htmlEscaped(std::string_view text);

/// Everything up to the content: title, and a style that follows the reader's choice of light or dark. Colours are custom properties (--ink, --faint,
/// --line, --panel, --paper), so that drawings follow too; `style` is added to it.
std::string htmlBegin(std::string_view title, std::string_view style = "");
std::string htmlEnd();

/// `%.4g`.
std::string shortNumber(double value);
/// "34.7 MiB".
std::string bytesText(double bytes);
/// 1234567 as "1,234,567".
std::string groupedNumber(long long value);

} // namespace hb
