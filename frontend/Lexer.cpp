#include "frontend/Lexer.h"

#include "runtime/base/Text.h"

#include <algorithm>
#include <charconv>

namespace hb {
namespace {

constexpr std::string_view kKeywords[] = {"let", "fn", "if", "else", "for", "in", "repeat", "and", "or", "not", "true", "false", "none", "param", "tensor", "newaxis"};
/// Longest first: the first that matches is the token.
constexpr std::string_view kSymbols[] = {"...", "..", "=>", "->", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", ":", ";", ".", "=", "+", "-", "*", "/", "%", "<", ">", "?"};

bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
public:
  Lexer(const SourceFile &file, DiagnosticSink &sink, bool keepComments) : file_(file), text_(file.text()), sink_(sink), keepComments_(keepComments) {}

  std::vector<Token> run() {
    if (!isUtf8(text_)) {
      sink_.report({103, {&file_, 0, 0}, "UTF-8 text", "other bytes", "save the file as UTF-8", {}, file_.name()});
      return {end()};
    }
    while (skipBlank())
      next();
    tokens_.push_back(end());
    return std::move(tokens_);
  }

private:
  char at(size_t i) const { return i < text_.size() ? text_[i] : '\0'; }
  Span span(size_t begin) const { return {&file_, static_cast<uint32_t>(begin), static_cast<uint32_t>(position_)}; }
  void error(int number, size_t begin, std::string expected, std::string found, std::string action) {
    sink_.report({number, span(begin), std::move(expected), std::move(found), std::move(action), {}, {}});
  }

  Token end() {
    Token token;
    token.span = {&file_, static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(text_.size())};
    token.lineBefore = true;
    return token;
  }

  /// To the next token; false at the end of the file.
  bool skipBlank() {
    while (position_ < text_.size()) {
      char c = text_[position_];
      if (c == '\n') {
        // A blank line ends a doc comment: it belonged to nothing.
        if (at(position_ + 1) == '\n')
          doc_.clear();
        lineBefore_ = true;
        ++position_;
      } else if (c == ' ' || c == '\t' || c == '\r') {
        ++position_;
      } else if (c == '/' && at(position_ + 1) == '/') {
        comment();
      } else {
        return true;
      }
    }
    return false;
  }

  void comment() {
    size_t begin = position_;
    position_ = std::min(text_.find('\n', position_), text_.size());
    size_t length = position_ - begin;
    while (length > 0 && (text_[begin + length - 1] == ' ' || text_[begin + length - 1] == '\t' || text_[begin + length - 1] == '\r'))
      --length;
    std::string_view body = std::string_view(text_).substr(begin, length);
    if (keepComments_) {
      Token token;
      token.kind = TokenKind::Comment;
      token.span = {&file_, static_cast<uint32_t>(begin), static_cast<uint32_t>(begin + length)};
      push(std::move(token));
    } else if (body.starts_with("///")) {
      body.remove_prefix(body.starts_with("/// ") ? 4 : 3);
      doc_ += (doc_.empty() ? "" : "\n") + std::string(body);
    }
  }

  void push(Token token) {
    token.lineBefore = lineBefore_;
    token.doc = std::move(doc_);
    doc_.clear();
    lineBefore_ = false;
    tokens_.push_back(std::move(token));
  }

  void next() {
    size_t begin = position_;
    Token token;
    if (isLetter(text_[begin])) {
      while (isLetter(at(position_)) || isDigit(at(position_)))
        ++position_;
      token.kind = TokenKind::Name;
    } else if (isDigit(text_[begin])) {
      number(token);
    } else if (text_[begin] == '"') {
      string(token);
    } else if (!symbol(token)) {
      // The whole character, so that the message and the next token start at a boundary.
      ++position_;
      while ((static_cast<unsigned char>(at(position_)) & 0xC0) == 0x80)
        ++position_;
      error(101, begin, "the start of a name, a number, a string or an operator", "\"" + printable(span(begin).text()) + "\"", "remove it");
      return;
    }
    token.span = span(begin);
    push(std::move(token));
  }

  void number(Token &token) {
    size_t begin = position_;
    auto digits = [&] {
      while (isDigit(at(position_)))
        ++position_;
    };
    digits();
    bool real = false;
    // `0..n` is a range: a dot counts only before a digit.
    if (at(position_) == '.' && isDigit(at(position_ + 1))) {
      real = true;
      ++position_;
      digits();
    }
    char sign = at(position_ + 1);
    if ((at(position_) | 0x20) == 'e' && (isDigit(sign) || ((sign == '-' || sign == '+') && isDigit(at(position_ + 2))))) {
      real = true;
      position_ += 2;
      digits();
    }
    token.kind = real ? TokenKind::Float : TokenKind::Int;
    const char *first = text_.data() + begin, *last = text_.data() + position_;
    auto result = real ? std::from_chars(first, last, token.real) : std::from_chars(first, last, token.integer);
    if (result.ec != std::errc() || isLetter(at(position_))) {
      while (isLetter(at(position_)) || isDigit(at(position_)))
        ++position_;
      error(101, begin, real ? "a number that a float can hold" : "an integer below 2^63", printable(span(begin).text(), 60), "correct the number");
    }
  }

  void string(Token &token) {
    size_t begin = position_++;
    token.kind = TokenKind::String;
    while (position_ < text_.size() && text_[position_] != '\n') {
      char c = text_[position_++];
      if (c == '"')
        return;
      if (c != '\\') {
        token.string += c;
        continue;
      }
      char escaped = at(position_++);
      size_t which = std::string_view("\"\\nt").find(escaped);
      if (which == std::string_view::npos || escaped == '\0') {
        position_ = std::min(position_, text_.size());
        error(102, position_ - 2, "one of \\\" \\\\ \\n \\t", "another escape", "write a backslash as \\\\");
      } else {
        token.string += "\"\\\n\t"[which];
      }
    }
    error(102, begin, "a closing \" on the same line", "the end of the line", "close the string");
  }

  bool symbol(Token &token) {
    for (std::string_view candidate : kSymbols)
      if (text_.compare(position_, candidate.size(), candidate) == 0) {
        position_ += candidate.size();
        token.kind = TokenKind::Symbol;
        return true;
      }
    return false;
  }

  const SourceFile &file_;
  const std::string &text_;
  DiagnosticSink &sink_;
  bool keepComments_, lineBefore_ = true;
  size_t position_ = 0;
  std::string doc_;
  std::vector<Token> tokens_;
};

} // namespace

std::vector<Token> lex(const SourceFile &file, DiagnosticSink &sink, bool keepComments) { return Lexer(file, sink, keepComments).run(); }

bool isKeyword(std::string_view word) { return std::find(std::begin(kKeywords), std::end(kKeywords), word) != std::end(kKeywords); }

} // namespace hb
