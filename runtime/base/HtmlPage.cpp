#include "runtime/base/HtmlPage.h"

#include <cmath>
#include <cstdio>

namespace hb {
namespace {

constexpr const char *kStyle =
    ":root{color-scheme:light dark;--ink:#1f2328;--faint:#656d76;--line:#d5d9de;--panel:#f6f7f9;--paper:#fff}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--faint:#9aa3ad;--line:#3a4048;--panel:#1e2228;--paper:#14171b}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--paper)}"
    "h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}p{margin:.4rem 0}"
    "svg{width:100%;height:auto;background:var(--panel);border:1px solid var(--line);border-radius:4px}svg text{font:11px system-ui,sans-serif;fill:var(--faint)}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid var(--line)}"
    "th{font-weight:600}td:first-child,th:first-child{text-align:left}"
    "pre{background:var(--panel);padding:1rem;overflow:auto}figure{display:inline-block;margin:.5rem}figcaption{font-size:.85rem;color:var(--faint)}"
    "img{image-rendering:pixelated;max-width:100%}";

} // namespace

std::string htmlEscaped(std::string_view text) {
  std::string out;
  for (char c : text)
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

std::string htmlBegin(std::string_view title, std::string_view style) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" + htmlEscaped(title) + "</title>\n<style>" + kStyle + std::string(style) +
         "</style></head><body>\n";
}

std::string htmlEnd() { return "</body></html>\n"; }

std::string shortNumber(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string bytesText(double bytes) {
  static constexpr const char *kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (std::abs(bytes) >= 1024 && unit + 1 < std::size(kUnits))
    bytes /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", bytes, kUnits[unit]);
  return text;
}

std::string groupedNumber(long long value) {
  std::string digits = std::to_string(value);
  const size_t first = digits[0] == '-';
  for (size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

} // namespace hb
