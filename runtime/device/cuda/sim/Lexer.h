// Words of PTX.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hb::ptx {

struct Token {
  enum class Is : uint8_t { Word, Integer, FloatBits, Text, Mark, End } is = Is::End;
  std::string_view text;
  uint32_t line = 0;
  uint64_t value = 0;  ///< of a number; the bits of 0f… and 0d…
  uint8_t floatBits = 0;
};

/// The tokens of a text, with an End at their end. HB0981 for a character that PTX does not have.
std::vector<Token> tokens(std::string_view text);

/// Throws HB0981.
[[noreturn]] void unreadable(uint32_t line, const std::string &expected, const std::string &found);

} // namespace hb::ptx
