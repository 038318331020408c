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
        out_ += gap(i);
      out_ += token.text();
      track(i);
    }
    if (!out_.empty())
      out_ += "\n";
    return std::move(out_);
  }

private:
  struct Open {
    char bracket;
    size_t line;   ///< output line of the bracket
    bool continued; ///< that line was indented as a continuation
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
      return r == ")" && l == "," ? "" : "";
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
      if (r == "(" && inEntryHead_ && open_.empty())
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
      // A bracketed list over several lines ends with a comma.
      out_ += blank && !opens && !closes ? "\n\n" : "\n";
      ++line_;
    }
    size_t closing = 0;
    for (size_t j = i; j + 1 < tokens_.size() && isSymbol(token(j)) && isOneOf(token(j).text(), {"}", ")", "]"}); ++j)
      ++closing;
    // One step for every line that has brackets still open, however many it opened.
    size_t depth = 0, last = SIZE_MAX;
    bool continued = false;
    for (size_t k = 0; k + std::min(closing, open_.size()) < open_.size(); ++k) {
      if (open_[k].line != last)
        depth += open_[k].continued && !continuedBefore(k) ? 3 : 1;
      last = open_[k].line;
    }
    continued_ = closing == 0 && continues(i);
    if (closing > 0 && !open_.empty()) {
      const Open &opener = open_[open_.size() - std::min(closing, open_.size())];
      // The closing bracket stands where its line started; that line may share its bracket with an outer one.
      bool counted = false;
      for (size_t k = 0; k + std::min(closing, open_.size()) < open_.size(); ++k)
        counted |= open_[k].line == opener.line;
      if (counted && depth > 0)
        --depth;
      if (opener.continued && !counted)
        continued = true;
    }
    out_ += std::string(2 * depth + (continued_ || continued ? 4 : 0), ' ');
  }

  bool continuedBefore(size_t k) const {
    for (size_t j = 0; j < k; ++j)
      if (open_[j].line == open_[k].line)
        return true;
    return false;
  }

  /// True when the line goes on with the statement before it (inside braces or at top level).
  bool continues(size_t i) const {
    if (i == 0 || token(i).kind == TokenKind::Comment || (!open_.empty() && open_.back().bracket != '{'))
      return false;
    size_t before = i - 1;
    while (before > 0 && token(before).kind == TokenKind::Comment)
      --before;
    if (token(before).kind == TokenKind::Comment)
      return false;
    const Token &right = token(i);
    if (isOperator(token(before)) && !token(before).isSymbol("->") )
      return true;
    if (token(before).isSymbol("->"))
      return true;
    if (token(before).isSymbol(",") && (open_.empty() || inBindings_))
      return true;
    if (right.isSymbol("-"))
      return false;
    return isOperator(right) || right.isSymbol(".") || (isOneOf(right.text(), {"where", "if"}) && inEntryHead_ && open_.empty()) || (right.isWord("where"));
  }

  void track(size_t i) {
    const Token &current = token(i);
    if (current.lineBefore && open_.empty() && current.isWord("entry"))
      inEntryHead_ = true;
    if (!isSymbol(current))
      return;
    std::string_view text = current.text();
    if (isOneOf(text, {"{", "(", "["})) {
      if (text == "{")
        inEntryHead_ = false;
      // The body of a declaration whose head was continued is indented like the declaration.
      bool body = text == "{" && (i + 2 >= tokens_.size() || token(i + 1).lineBefore);
      open_.push_back({text[0], line_, continued_ && !body});
    } else if (isOneOf(text, {"}", ")", "]"}) && !open_.empty()) {
      open_.pop_back();
    }
  }

  std::vector<Token> tokens_;
  std::string out_;
  std::vector<Open> open_;
  size_t line_ = 0;
  bool continued_ = false, inEntryHead_ = false, inBindings_ = false;
};

} // namespace

std::string formatProgram(const SourceFile &file, DiagnosticSink &sink) {
  parse(file, sink);
  if (sink.hasErrors())
    return file.text();
  return Formatter(lex(file, sink, true)).run();
}

} // namespace hb
