// What the two halves of the parser (declarations, expressions) share.
#pragma once

#include "frontend/Ast.h"
#include "frontend/Lexer.h"

namespace hb {

/// Recursive descent with one token of look-ahead (two or three where a `{` or a member has to be told apart). Errors unwind by
/// exception to the statement or declaration they are in.
class Parser {
public:
  Parser(const SourceFile &file, DiagnosticSink &sink) : file_(file), sink_(sink), tokens_(lex(file, sink)) {}
  std::unique_ptr<ast::File> file();

private:
  // ParserDeclarations.cpp
  void declaration(ast::File &file);
  void imports(ast::File &file);
  std::unique_ptr<ast::Module> module();
  std::unique_ptr<ast::Entry> entry();
  /// Parameters, results and body, after `fn` and the name.
  void functionRest(ast::Function &function);
  std::vector<ast::Parameter> parameters();
  ast::Type type();
  void results(ast::Function &function);
  /// `{ … }` of a module, or of an if or for inside one; reports and skips broken statements.
  ast::Body moduleBody();
  void moduleStatement(ast::Body &body);
  void memberStatement(ast::Stmt &stmt);
  ast::Stmt letStatement();
  ast::Pattern pattern();
  ast::Stmt requireStatement();
  /// After an error: on to where a statement (or declaration) can start again.
  static bool startsDeclaration(const Token &token);
  void recover(bool declarationLevel, size_t start);

  // ParserExpressions.cpp
  ast::ExprPtr expression();
  /// Precedence climbing over the table of levels.
  ast::ExprPtr binary(int level);
  ast::ExprPtr unary();
  ast::ExprPtr postfix();
  ast::ExprPtr primary();
  ast::ExprPtr parenthesis();
  ast::ExprPtr list();
  ast::ExprPtr record();
  ast::ExprPtr block();
  ast::ExprPtr conditional();
  /// `for … from` and `repeat … from` after their word; they differ in the range and `max`.
  ast::ExprPtr loop(ast::ExprKind kind);
  std::vector<ast::Named> arguments();
  ast::Index index();
  std::vector<ast::ExprPtr> dimensions();
  ast::ExprPtr dimension();
  /// Tells a record from a block by what follows the brace.
  bool atRecord() const;
  /// Refuses (HB0111) chains so long that walking the tree would overflow the stack.
  void limitChain(int length);

  // Tokens.
  const Token &peek(size_t ahead = 0) const { return tokens_[std::min(position_ + ahead, tokens_.size() - 1)]; }
  bool at(std::string_view symbol) const { return peek().isSymbol(symbol); }
  bool atWord(std::string_view word) const { return peek().isWord(word); }
  bool accept(std::string_view symbol) { return at(symbol) ? (next(), true) : false; }
  bool acceptWord(std::string_view word) { return atWord(word) ? (next(), true) : false; }
  Token next();
  Token expect(std::string_view symbol, std::string_view purpose);
  Token expectName(std::string_view purpose);
  /// True when the next token starts a line and line ends count here.
  bool lineEnds() const { return peek().lineBefore && !insideParentheses_; }
  void endOfStatement();
  [[noreturn]] void fail(const std::string &expected, const std::string &action = "");
  ast::ExprPtr make(ast::ExprKind kind, Span span) const;
  Span lastSpan() const { return position_ ? tokens_[position_ - 1].span : peek().span; }

  /// Entering a bracket turns line ends off, entering a brace turns them on; leaving restores.
  struct LineMode {
    LineMode(Parser &parser, bool inside) : parser(parser), saved(parser.insideParentheses_) { parser.insideParentheses_ = inside; }
    ~LineMode() { parser.insideParentheses_ = saved; }
    Parser &parser;
    bool saved;
  };
  /// Deep nesting would overflow the stack of this recursive parser.
  struct Depth {
    explicit Depth(Parser &parser);
    ~Depth() { --parser.depth_; }
    Parser &parser;
  };

  const SourceFile &file_;
  DiagnosticSink &sink_;
  std::vector<Token> tokens_;
  size_t position_ = 0;
  int depth_ = 0;
  bool insideParentheses_ = false;
};

} // namespace hb
