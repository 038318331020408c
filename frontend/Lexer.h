// Text to tokens.
#pragma once

#include "frontend/Diagnostic.h"

#include <vector>

namespace hb {

enum class TokenKind : uint8_t { End, Name, Int, Float, String, Symbol, Comment };

struct Token {
  TokenKind kind = TokenKind::End;
  Span span;
  bool lineBefore = false;  ///< the token is the first of its line
  std::string doc;          ///< the `///` lines right above it
  std::string string;       ///< a string literal's contents
  int64_t integer = 0;
  double real = 0;

  std::string_view text() const { return span.text(); }
  bool isSymbol(std::string_view symbol) const { return kind == TokenKind::Symbol && text() == symbol; }
  bool isWord(std::string_view word) const { return kind == TokenKind::Name && text() == word; }
};

/// Splits a file; the last token is End. Bad characters are reported and skipped. With `keepComments`, comments are tokens
/// (for the formatter) instead of being dropped or attached as docs.
std::vector<Token> lex(const SourceFile &file, DiagnosticSink &sink, bool keepComments = false);

/// Words that cannot be names of values.
bool isKeyword(std::string_view word);

} // namespace hb
