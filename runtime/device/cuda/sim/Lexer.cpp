#include "runtime/device/cuda/sim/Lexer.h"
#include "runtime/base/Error.h"

#include <bit>
#include <cctype>
#include <cstdlib>

namespace hb::ptx {
namespace {

bool starts(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.'; }
bool continues(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '.'; }

/// A number at `text[at]`: 12, 0x1F, 017, 0b1, 0f3F800000, 0d3FF0000000000000, 1.5; a U behind it is dropped.
size_t number(std::string_view text, size_t at, Token &token) {
  auto digits = [&](size_t from, int base) {
    size_t end = from;
    uint64_t value = 0;
    for (; end < text.size(); ++end) {
      char c = text[end];
      int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
      if (digit >= base)
        break;
      value = value * base + digit;
    }
    token.value = value;
    return end;
  };
  char second = at + 1 < text.size() && text[at] == '0' ? text[at + 1] : ' ';
  token.is = Token::Is::Integer;
  size_t end = at;
  if (second == 'f' || second == 'F' || second == 'd' || second == 'D') {
    token.is = Token::Is::FloatBits;
    token.floatBits = second == 'f' || second == 'F' ? 32 : 64;
    end = digits(at + 2, 16);
    if (end - at - 2 != token.floatBits / 4u)
      unreadable(token.line, "a number of " + std::to_string(token.floatBits / 4) + " hexadecimal digits", std::string(text.substr(at, end - at)));
    return end;
  }
  if (second == 'x' || second == 'X')
    end = digits(at + 2, 16);
  else if (second == 'b' || second == 'B')
    end = digits(at + 2, 2);
  else
    end = digits(at, text[at] == '0' ? 8 : 10);
  if (end < text.size() && text[end] == '.' && end + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[end + 1]))) {
    std::string decimal(text.substr(at, 40));
    char *stop = nullptr;
    token.value = std::bit_cast<uint64_t>(std::strtod(decimal.c_str(), &stop));
    token.is = Token::Is::FloatBits;
    token.floatBits = 64;
    return at + (stop - decimal.c_str());
  }
  return end < text.size() && text[end] == 'U' ? end + 1 : end;
}

} // namespace

void unreadable(uint32_t line, const std::string &expected, const std::string &found) {
  throw Error(981, "PTX line " + std::to_string(line), expected, found, "the simulator knows what docs/cuda-simulator.md lists");
}

std::vector<Token> tokens(std::string_view text) {
  std::vector<Token> result;
  uint32_t line = 1;
  for (size_t at = 0; at < text.size();) {
    char c = text[at];
    if (c == '\n')
      ++line;
    if (c == '\0' || std::isspace(static_cast<unsigned char>(c))) {
      ++at;
      continue;
    }
    if (text.substr(at, 2) == "//") {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (text.substr(at, 2) == "/*") {
      size_t end = text.find("*/", at + 2);
      end = end == text.npos ? text.size() : end + 2;
      for (; at < end; ++at)
        line += text[at] == '\n';
      continue;
    }
    Token token;
    token.line = line;
    size_t end = at + 1;
    if (starts(c)) {
      token.is = Token::Is::Word;
      // A modifier may hold a double colon (.L2::128B); a label ends in a single one.
      while (end < text.size() && (continues(text[end]) || (text.substr(end, 2) == "::" && end + 2 < text.size() && std::isalnum(static_cast<unsigned char>(text[end + 2])))))
        end += text[end] == ':' ? 2 : 1;
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      end = number(text, at, token);
    } else if (c == '"') {
      token.is = Token::Is::Text;
      end = text.find('"', at + 1);
      if (end == text.npos)
        unreadable(line, "a closing quotation mark", "the end of the text");
      ++end;
    } else if (std::string_view("{}()[]<>,;:+-@!|=*~&^/?").find(c) != std::string_view::npos) {
      token.is = Token::Is::Mark;
    } else {
      unreadable(line, "PTX", "the character with code " + std::to_string(static_cast<unsigned char>(c)));
    }
    token.text = text.substr(at, end - at);
    result.push_back(token);
    at = end;
  }
  Token end;
  end.line = line;
  end.text = text.substr(text.size());
  result.push_back(end);
  return result;
}

} // namespace hb::ptx
