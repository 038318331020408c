#include "frontend/ParserState.h"

#include <algorithm>

namespace hb {

using namespace ast;

namespace {

/// Binary operators by level, loosest first; all are left associative. `not` stands between `and` and the comparisons.
struct Level {
  std::initializer_list<std::string_view> operators;
};
const Level kLevels[] = {{{"or"}}, {{"and"}}, {{"==", "!=", "<", "<=", ">", ">="}}, {{".."}}, {{"+", "-"}}, {{"*", "/", "%"}}};
constexpr int kNotLevel = 2, kLevelCount = 6;

} // namespace

/// Chains are loops here but nests in the tree, and whoever walks the tree recurses.
void Parser::limitChain(int length) {
  if (length > 400)
    throw Failure{{111, peek().span, "at most 400 operators in a row", "more", "give parts of the expression names with let", {}, {}}};
}

ExprPtr Parser::expression() {
  Depth depth(*this);
  return binary(0);
}

ExprPtr Parser::binary(int level) {
  if (level == kLevelCount)
    return unary();
  if (level == kNotLevel && atWord("not")) {
    Depth depth(*this);
    Token token = next();
    ExprPtr expr = make(ExprKind::Unary, token.span);
    expr->text = "not";
    expr->items.push_back(binary(level));
    expr->span = token.span.to(lastSpan());
    return expr;
  }
  ExprPtr left = binary(level + 1);
  for (int length = 0;; ++length) {
    const Token &token = peek();
    bool symbol = token.kind == TokenKind::Symbol || token.kind == TokenKind::Name;
    const auto &operators = kLevels[level].operators;
    if (!symbol || std::find(operators.begin(), operators.end(), token.text()) == operators.end())
      return left;
    // A line that starts with a minus is a new statement: it could be one, and nobody should have to guess.
    if (token.text() == "-" && lineEnds())
      return left;
    limitChain(length);
    ExprPtr expr = make(ExprKind::Binary, left->span);
    expr->text = next().text();
    expr->items.push_back(std::move(left));
    expr->items.push_back(binary(level + 1));
    expr->span = expr->span.to(lastSpan());
    left = std::move(expr);
    if (level == 2 && peek().kind == TokenKind::Symbol && std::find(operators.begin(), operators.end(), peek().text()) != operators.end())
      fail("one comparison", "join two comparisons with and");
  }
}

ExprPtr Parser::unary() {
  if (!at("-"))
    return postfix();
  Depth depth(*this);
  Token token = next();
  ExprPtr expr = make(ExprKind::Unary, token.span);
  expr->text = "-";
  expr->items.push_back(unary());
  expr->span = token.span.to(lastSpan());
  return expr;
}

ExprPtr Parser::postfix() {
  ExprPtr expr = primary();
  for (int length = 0;; ++length) {
    limitChain(length);
    if (at(".")) {
      next();
      if (peek().kind != TokenKind::Name && peek().kind != TokenKind::Int)
        fail("the name of a member or key");
      Token name = next();
      ExprPtr field = make(ExprKind::Field, expr->span.to(name.span));
      field->text = name.text();
      field->items.push_back(std::move(expr));
      expr = std::move(field);
    } else if (at("(") && !lineEnds()) {
      ExprPtr call = make(ExprKind::Call, expr->span);
      call->items.push_back(std::move(expr));
      call->named = arguments();
      call->span = call->span.to(lastSpan());
      expr = std::move(call);
    } else if (at("[") && !lineEnds()) {
      ExprPtr indexed = make(ExprKind::Index, expr->span);
      indexed->items.push_back(std::move(expr));
      next();
      LineMode mode(*this, true);
      while (!at("]")) {
        indexed->indices.push_back(index());
        if (!accept(","))
          break;
      }
      expect("]", "after the index");
      if (indexed->indices.empty())
        throw Failure{{110, lastSpan(), "an index", "nothing between the brackets", "", {}, {}}};
      indexed->span = indexed->span.to(lastSpan());
      expr = std::move(indexed);
    } else {
      return expr;
    }
  }
}

std::vector<Named> Parser::arguments() {
  std::vector<Named> list;
  expect("(", "");
  LineMode mode(*this, true);
  while (!at(")")) {
    Named argument;
    argument.nameSpan = peek().span;
    if (peek().kind == TokenKind::Name && peek(1).isSymbol(":")) {
      argument.name = next().text();
      next();
    } else if (!list.empty() && !list.back().name.empty()) {
      fail("a named argument (name: value)", "arguments by position come first");
    }
    argument.value = expression();
    list.push_back(std::move(argument));
    if (!accept(","))
      break;
  }
  expect(")", "after the arguments");
  return list;
}

ast::Index Parser::index() {
  ast::Index index;
  index.span = peek().span;
  if (acceptWord("newaxis")) {
    index.kind = ast::Index::NewAxis;
  } else if (accept("...")) {
    index.kind = ast::Index::Ellipsis;
  } else {
    if (!at(":"))
      index.first = expression();
    if (accept(":")) {
      index.kind = ast::Index::Slice;
      if (!at(",") && !at("]"))
        index.last = expression();
    }
  }
  index.span = index.span.to(lastSpan());
  return index;
}

std::vector<ExprPtr> Parser::dimensions() {
  std::vector<ExprPtr> list;
  while (!at("]") && !at(";")) {
    list.push_back(dimension());
    if (!accept(","))
      break;
  }
  return list;
}

ExprPtr Parser::dimension() {
  if (at("..."))
    return make(ExprKind::Ellipsis, next().span);
  if (atWord("_"))
    return make(ExprKind::Wildcard, next().span);
  return expression();
}

/// After `{`: a record has a key and a colon next, or ends at once.
bool Parser::atRecord() const {
  if (peek(1).isSymbol("}"))
    return true;
  TokenKind kind = peek(1).kind;
  size_t at = 2;
  while (kind == TokenKind::Name && peek(at).isSymbol(".") && peek(at + 1).kind == TokenKind::Name && at < 10)
    at += 2;
  return (kind == TokenKind::Name || kind == TokenKind::Int || kind == TokenKind::String) && peek(at).isSymbol(":");
}

ExprPtr Parser::primary() {
  const Token &token = peek();
  switch (token.kind) {
  case TokenKind::Int: {
    ExprPtr expr = make(ExprKind::Int, token.span);
    expr->integer = next().integer;
    return expr;
  }
  case TokenKind::Float: {
    ExprPtr expr = make(ExprKind::Float, token.span);
    expr->real = next().real;
    return expr;
  }
  case TokenKind::String: {
    ExprPtr expr = make(ExprKind::String, token.span);
    expr->text = next().string;
    return expr;
  }
  case TokenKind::Symbol:
    if (at("("))
      return parenthesis();
    if (at("["))
      return list();
    if (at("{"))
      return atRecord() ? record() : block();
    break;
  case TokenKind::Name: {
    std::string_view word = token.text();
    if (word == "if")
      return conditional();
    if (word == "for")
      return loop(ExprKind::Fold);
    if (word == "repeat")
      return loop(ExprKind::Repeat);
    if (word == "true" || word == "false") {
      ExprPtr expr = make(ExprKind::Bool, token.span);
      expr->integer = word == "true";
      next();
      return expr;
    }
    if (word == "none")
      return make(ExprKind::None, next().span);
    if (word == "param") {
      ExprPtr expr = make(ExprKind::Param, next().span);
      expect("[", "and the shape of the parameter");
      LineMode mode(*this, true);
      expr->items = dimensions();
      expect("]", "after the shape");
      expr->span = expr->span.to(lastSpan());
      return expr;
    }
    if (!isKeyword(word)) {
      ExprPtr expr = make(ExprKind::Name, token.span);
      expr->text = next().text();
      return expr;
    }
    break;
  }
  default:
    break;
  }
  fail("an expression");
}

ExprPtr Parser::parenthesis() {
  Span begin = next().span;
  LineMode mode(*this, true);
  ExprPtr first = expression();
  if (!at(",")) {
    expect(")", "to close the parenthesis");
    return first;
  }
  ExprPtr tuple = make(ExprKind::Tuple, begin);
  tuple->items.push_back(std::move(first));
  while (accept(",") && !at(")"))
    tuple->items.push_back(expression());
  expect(")", "to close the tuple");
  tuple->span = begin.to(lastSpan());
  return tuple;
}

ExprPtr Parser::list() {
  Span begin = next().span;
  LineMode mode(*this, true);
  ExprPtr expr = make(ExprKind::List, begin);
  // A comprehension ends at `]`; a loop expression as an element has `from` after its list.
  if (atWord("for")) {
    size_t start = position_;
    next();
    Pattern names = pattern();
    if (!acceptWord("in"))
      fail("\"in\" and a list");
    ExprPtr items = expression();
    if (!atWord("from")) {
      expr->kind = ExprKind::Comprehension;
      expr->pattern = std::move(names);
      expr->items.push_back(std::move(items));
      expr->items.push_back(acceptWord("if") ? expression() : nullptr);
      expect("=>", "and the element");
      expr->items.push_back(expression());
      expect("]", "after the list");
      expr->span = begin.to(lastSpan());
      return expr;
    }
    position_ = start;
  }
  while (!at("]")) {
    expr->items.push_back(expression());
    if (!accept(","))
      break;
  }
  expect("]", "after the list");
  expr->span = begin.to(lastSpan());
  return expr;
}

ExprPtr Parser::record() {
  ExprPtr expr = make(ExprKind::Record, next().span);
  LineMode mode(*this, false);
  while (!at("}")) {
    Named entry;
    Token key = next();
    // Results of an entry may have dotted names.
    std::string rest;
    while (key.kind == TokenKind::Name && at(".")) {
      next();
      rest += "." + std::string(next().text());
    }
    if (key.kind != TokenKind::Name && key.kind != TokenKind::Int && key.kind != TokenKind::String)
      throw Failure{{110, key.span, "the key of a record's entry", "\"" + std::string(key.text().substr(0, 40)) + "\"", "", {}, {}}};
    entry.name = key.kind == TokenKind::String ? key.string : key.kind == TokenKind::Int ? std::to_string(key.integer) : std::string(key.text()) + rest;
    entry.nameSpan = key.span;
    expect(":", "and the entry's value");
    entry.value = expression();
    for (const Named &other : expr->named)
      if (other.name == entry.name)
        throw Failure{{114, key.span, "different keys", "\"" + entry.name + "\" a second time", "rename one of the two", {}, {}}};
    expr->named.push_back(std::move(entry));
    if (!accept(",") && !at("}") && !peek().lineBefore)
      fail("\",\" or \"}\"");
  }
  next();
  expr->span = expr->span.to(lastSpan());
  return expr;
}

ExprPtr Parser::block() {
  Depth depth(*this);
  Span begin = peek().span;
  expect("{", "and a body");
  LineMode mode(*this, false);
  ExprPtr expr = make(ExprKind::Block, begin);
  bool broken = false;
  while (true) {
    if (at("}") || peek().kind == TokenKind::End) {
      if (expr->items.empty() && !broken)
        fail("an expression as the value of the block", "end the block with the value it gives");
      break;
    }
    size_t before = position_;
    try {
      if (!expr->items.empty()) {
        // Only `require(…)` may stand before the value.
        ExprPtr &last = expr->items.back();
        bool require = last->kind == ExprKind::Call && last->items[0]->kind == ExprKind::Name && last->items[0]->text == "require";
        if (!require)
          throw Failure{{110, last->span, "\"}\" after the value of the block", "another statement", "give the value a name with let, or join the two lines", {}, {}}};
        Stmt stmt;
        stmt.kind = StmtKind::Require;
        stmt.span = last->span;
        stmt.expr = std::move(last);
        expr->items.clear();
        expr->body.push_back(std::move(stmt));
      }
      if (atWord("let")) {
        expr->body.push_back(letStatement());
      } else {
        expr->items.push_back(expression());
        endOfStatement();
      }
    } catch (Failure &failure) {
      // One message per statement: go on with the next line, so that a body with three mistakes shows three.
      if (failure.diagnostic.number == 111)
        throw;
      sink_.report(std::move(failure.diagnostic));
      broken = true;
      expr->items.clear();
      recover(false, before);
      if (startsDeclaration(peek()) && file_.column(peek().span.begin) == 1)
        break;
      if (position_ == before)
        next();
    }
  }
  if (broken && expr->items.empty())
    expr->items.push_back(make(ExprKind::None, begin));
  if (!broken || at("}"))
    expect("}", "at the end of the block");
  expr->span = begin.to(lastSpan());
  return expr;
}

ExprPtr Parser::conditional() {
  Depth depth(*this);
  ExprPtr expr = make(ExprKind::If, next().span);
  expr->items.push_back(expression());
  if (!at("{"))
    fail("\"{\" and what holds then");
  expr->items.push_back(block());
  if (!acceptWord("else"))
    fail("\"else\"", "an if inside an expression needs both values");
  expr->items.push_back(atWord("if") ? conditional() : block());
  expr->span = expr->span.to(lastSpan());
  return expr;
}

ExprPtr Parser::loop(ExprKind kind) {
  ExprPtr expr = make(kind, next().span);
  expr->pattern = pattern();
  if (!acceptWord("in"))
    fail("\"in\"");
  if (kind == ExprKind::Fold) {
    expr->items.push_back(expression());
  } else {
    ExprPtr range = expression();
    if (range->kind != ExprKind::Binary || range->text != "..")
      throw Failure{{110, range->span, "a range such as 0..n", "another expression", "", {}, {}}};
    expr->items.push_back(std::move(range->items[0]));
    expr->items.push_back(std::move(range->items[1]));
    expr->items.push_back(acceptWord("max") ? expression() : nullptr);
  }
  if (!acceptWord("from"))
    fail("\"from\" and the carried values");
  auto carried = [&] {
    Named value;
    Token name = expectName("the name of a carried value");
    value.name = name.text();
    value.nameSpan = name.span;
    if (accept("="))
      value.value = expression();
    expr->named.push_back(std::move(value));
  };
  if (at("(")) {
    LineMode mode(*this, true);
    next();
    do
      carried();
    while (accept(",") && !at(")"));
    expect(")", "after the carried values");
    // A tuple of one is a tuple too; text marks it for the elaborator.
    expr->text = "tuple";
  } else {
    carried();
  }
  expect("=>", "and the next value");
  expr->items.push_back(expression());
  expr->span = expr->span.to(lastSpan());
  return expr;
}

} // namespace hb
