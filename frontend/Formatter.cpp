#include "frontend/Formatter.h"

#include "frontend/Lexer.h"
#include "frontend/Parser.h"

#include <algorithm>

namespace hb {
namespace {

bool isOneOf(std::string_view text, std::initializer_list<std::string_view> list) { return std::find(list.begin(), list.end(), text) != list.end(); }

/// Works on tokens, line by line: spacing follows from two neighbours and the innermost bracket, indentation from the brackets
/// that are open and from whether the line continues a statement.
class Formatter {
public:
  explicit Formatter(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  std::string run() {
    for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
      const Token &token = tokens_[i];
      if (token.lineBefore || i == 0)
        startLine(i);
      else
        put(gap(i));
      put(token.text());
      track(i);
    }
    if (!out_.empty())
      out_ += "\n";
    return std::move(out_);
  }

private:
  struct Open {
    char bracket;
    size_t base;   ///< indentation of the line (of a brace: of the statement) that opened it
    size_t column; ///< where its contents start when they start on the same line; 0 when they do not
  };

  const Token &token(size_t i) const { return tokens_[i]; }
  static bool isSymbol(const Token &token) { return token.kind == TokenKind::Symbol; }
  static bool isOperator(const Token &token) {
    return (isSymbol(token) && isOneOf(token.text(), {"+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "=", "=>", "->"})) || token.isWord("and") || token.isWord("or");
  }

  /// A minus is unary where no value stands before it.
  bool isUnary(size_t i) const {
    if (!token(i).isSymbol("-"))
      return false;
    if (i == 0 || token(i).lineBefore)
      return true;
    const Token &before = token(i - 1);
    if (before.kind == TokenKind::Symbol)
      return !isOneOf(before.text(), {")", "]", "}"});
    return before.kind == TokenKind::Name && isKeyword(before.text()) && !isOneOf(before.text(), {"none", "true", "false", "newaxis"});
  }

  std::string gap(size_t i) const {
    const Token &left = token(i - 1), &right = token(i);
    std::string_view l = left.text(), r = right.text();
    if (right.kind == TokenKind::Comment)
      return " ";
    if (isSymbol(right) && isOneOf(r, {",", ")", "]", ";", "?"}))
      return "";
    if (isSymbol(left) && isOneOf(l, {"(", "["}))
      return "";
    if (l == "{" && r == "}")
      return "";
    if (isSymbol(left) && isSymbol(right) && (r == ".." || l == ".."))
      return "";
    if (isOneOf(l, {".", ".."}) && isSymbol(left))
      return "";
    if (isOneOf(r, {".", ".."}) && isSymbol(right))
      return "";
    bool slice = !open_.empty() && open_.back().bracket == '[';
    if (isSymbol(right) && r == ":")
      return slice && l == "," ? " " : "";
    if (isSymbol(left) && l == ":")
      return slice ? "" : " ";
    if (isSymbol(left) && l == "-" && isUnary(i - 1))
      return "";
    if (isSymbol(right) && isOneOf(r, {"(", "["})) {
      // A call or an index touches what it belongs to; after a word of the language or an operator the bracket starts something.
      bool value = left.kind == TokenKind::String || (isSymbol(left) && isOneOf(l, {")", "]", "}"})) ||
                   (left.kind == TokenKind::Name && (!isKeyword(l) || isOneOf(l, {"param", "tensor"})) && !isOneOf(l, {"from"}));
      if (r == "(" && inEntryHead_ && !parameters_)
        return " ";
      return value ? "" : " ";
    }
    return " ";
  }

  void startLine(size_t i) {
    if (i > 0) {
      // Blank lines between two lines: one at most, none right inside a bracket.
      Span between{token(i).span.file, token(i - 1).span.end, token(i).span.begin};
      bool blank = std::count(between.text().begin(), between.text().end(), '\n') > 1;
      bool opens = isSymbol(token(i - 1)) && isOneOf(token(i - 1).text(), {"{", "(", "["});
      bool closes = isSymbol(token(i)) && isOneOf(token(i).text(), {"}", ")", "]"});
      put(blank && !opens && !closes ? "\n\n" : "\n");
    }
    size_t closing = 0;
    for (size_t j = i; j + 1 < tokens_.size() && (j == i || !token(j).lineBefore) && isSymbol(token(j)) && isOneOf(token(j).text(), {"}", ")", "]"}); ++j)
      ++closing;
    bool continued = closing == 0 && continues(i);
    if (closing > 0 && !open_.empty())
      indent_ = open_[open_.size() - std::min(closing, open_.size())].base;
    else if (open_.empty())
      indent_ = continued ? headIndent(i) : 0;
    else if (open_.back().bracket == '{')
      indent_ = open_.back().base + (!continued ? 2 : isOperator(lastCode(i)) ? 4 : 6);
    else
      indent_ = open_.back().column ? open_.back().column : open_.back().base + 2;
    if (!continued && (open_.empty() || open_.back().bracket == '{'))
      statement_ = indent_;
    put(std::string(indent_, ' '));
  }

  /// Continuations at top level stand in by 4; the second line of an entry's sizes stands under the first size.
  size_t headIndent(size_t i) const { return inEntryHead_ && i > 0 && lastCode(i).isSymbol(",") ? 10 : 4; }

  /// The last token before `i` that is no comment.
  const Token &lastCode(size_t i) const {
    while (i > 1 && token(i - 1).kind == TokenKind::Comment)
      --i;
    return token(i - 1);
  }

  /// Appends and keeps count of the column, in characters.
  void put(std::string_view text) {
    for (char c : text)
      column_ = c == '\n' ? 0 : column_ + ((static_cast<unsigned char>(c) & 0xC0) != 0x80);
    out_ += text;
  }

  /// True when the line goes on with the statement before it (inside braces or at top level).
  bool continues(size_t i) const {
    if (i == 0 || token(i).kind == TokenKind::Comment || (!open_.empty() && open_.back().bracket != '{'))
      return false;
    const Token &before = lastCode(i), &right = token(i);
    if (inEntryHead_ && open_.empty() && !right.isWord("entry"))
      return true;
    if (isOperator(before) || (before.isSymbol(",") && open_.empty()))
      return true;
    if (right.isSymbol("-"))
      return false;
    return isOperator(right) || right.isSymbol(".") || right.isWord("where");
  }

  void track(size_t i) {
    const Token &current = token(i);
    if (current.lineBefore && open_.empty() && current.isWord("entry"))
      inEntryHead_ = true, parameters_ = false;
    if (!isSymbol(current))
      return;
    std::string_view text = current.text();
    if (isOneOf(text, {"{", "(", "["})) {
      if (text == "{")
        inEntryHead_ = false;
      bool more = i + 2 < tokens_.size() && !token(i + 1).lineBefore;
      open_.push_back({text[0], text == "{" ? statement_ : indent_, more ? column_ : 0});
      parameters_ = true;
    } else if (isOneOf(text, {"}", ")", "]"}) && !open_.empty()) {
      open_.pop_back();
    }
  }

  std::vector<Token> tokens_;
  std::string out_;
  std::vector<Open> open_;
  size_t indent_ = 0, statement_ = 0, column_ = 0;
  bool inEntryHead_ = false; ///< between `entry` and its body
  bool parameters_ = false;  ///< the entry's parameter list has begun
};

} // namespace

std::string formatProgram(const SourceFile &file, DiagnosticSink &sink) {
  parse(file, sink);
  if (sink.hasErrors())
    return file.text();
  return Formatter(lex(file, sink, true)).run();
}

} // namespace hb
