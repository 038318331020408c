#include "frontend/Parser.h"
#include "frontend/ParserState.h"

#include "runtime/base/Text.h"

#include <algorithm>
#include <set>

namespace hb {

using namespace ast;

namespace {

struct TypeWord {
  std::string_view word;
  TypeKind kind;
};
constexpr TypeWord kTypeWords[] = {{"int", TypeKind::Int}, {"float", TypeKind::Float}, {"bool", TypeKind::Bool}, {"string", TypeKind::String},
                                   {"list", TypeKind::List}, {"record", TypeKind::Record}, {"any", TypeKind::Any}};
constexpr std::string_view kDTypes[] = {"f32", "f16", "bf16", "f64", "i64"};
constexpr std::string_view kDeclarationWords[] = {"import", "let", "fn", "module", "entry"};

} // namespace

/// A word that begins a declaration, at the start of a line.
bool Parser::startsDeclaration(const Token &token) {
  return token.kind == TokenKind::Name && token.lineBefore && std::find(std::begin(kDeclarationWords), std::end(kDeclarationWords), token.text()) != std::end(kDeclarationWords);
}

Parser::Depth::Depth(Parser &parser) : parser(parser) {
  if (++parser.depth_ > 200) {
    --parser.depth_;
    throw Failure{{111, parser.peek().span, "at most 200 levels of nesting", "more", "give parts of the expression names with let", {}, {}}};
  }
}

Token Parser::next() {
  Token token = peek();
  if (position_ + 1 < tokens_.size())
    ++position_;
  return token;
}

void Parser::fail(const std::string &expected, const std::string &action) {
  const Token &token = peek();
  std::string found = token.kind == TokenKind::End ? "the end of the file" : "\"" + printable(token.text(), 60) + "\"";
  if (token.kind == TokenKind::Name && isKeyword(token.text()))
    found = "the keyword " + found;
  throw Failure{{110, token.span, expected, found, action, {}, {}}};
}

Token Parser::expect(std::string_view symbol, std::string_view purpose) {
  if (!at(symbol))
    fail("\"" + std::string(symbol) + "\"" + (purpose.empty() ? "" : " " + std::string(purpose)));
  return next();
}

Token Parser::expectName(std::string_view purpose) {
  if (peek().kind != TokenKind::Name)
    fail(std::string(purpose));
  if (isKeyword(peek().text()))
    fail(std::string(purpose), "choose another name, this one is a word of the language");
  return next();
}

ExprPtr Parser::make(ExprKind kind, Span span) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->span = span;
  return expr;
}

void Parser::endOfStatement() {
  if (accept(";") || at("}") || peek().kind == TokenKind::End || peek().lineBefore)
    return;
  fail("the end of the statement", "start a new line, or write an operator between the two");
}

/// Skips to where the next statement or declaration starts. Reads the broken one again from `start`, to know which brackets are
/// open where it broke: a line start counts outside of them, and a closing brace only when it closes what was open before.
void Parser::recover(bool declarationLevel, size_t start) {
  size_t broken = position_;
  position_ = start;
  insideParentheses_ = false;
  std::vector<char> open;
  for (; peek().kind != TokenKind::End; next()) {
    const Token &token = peek();
    bool past = position_ >= broken && position_ > start;
    if (past && startsDeclaration(token)) {
      // At the left margin nothing else starts with these words, whatever was left open.
      bool margin = file_.column(token.span.begin) == 1;
      bool unclosed = !open.empty() && open.back() != '{' && (token.isWord("let") || token.isWord("fn"));
      if (margin || unclosed || (declarationLevel && open.empty()))
        return;
    }
    if (past && !declarationLevel && open.empty() && token.lineBefore && !at(")") && !at("]"))
      return;
    if (at("{") || at("(") || at("["))
      open.push_back(token.text()[0]);
    if (at(")") || at("]"))
      if (!open.empty() && open.back() == (at(")") ? '(' : '['))
        open.pop_back();
    if (at("}")) {
      while (!open.empty() && open.back() != '{')
        open.pop_back();
      if (open.empty() && !declarationLevel)
        return;
      if (!open.empty())
        open.pop_back();
    }
  }
}

std::unique_ptr<File> Parser::file() {
  auto file = std::make_unique<File>();
  file->source = &file_;
  while (peek().kind != TokenKind::End) {
    size_t before = position_;
    try {
      declaration(*file);
    } catch (Failure &failure) {
      sink_.report(std::move(failure.diagnostic));
      recover(true, before);
    }
  }
  // One name, one meaning.
  std::set<std::string> seen;
  auto once = [&](const std::string &name, Span span) {
    if (name != "_" && !seen.insert(name).second)
      sink_.report({114, span, "a name that is new in this file", "\"" + name + "\" a second time", "rename one of the two", {}, {}});
  };
  for (const Import &import : file->imports)
    once(import.alias, import.span);
  for (const Constant &constant : file->constants)
    if (!constant.pattern.name.empty())
      once(constant.pattern.name, constant.span);
  for (const auto &function : file->functions)
    once(function->name, function->span);
  for (const auto &module : file->modules)
    once(module->name, module->span);
  return file;
}

void Parser::declaration(File &file) {
  std::string doc = peek().doc;
  if (acceptWord("import")) {
    imports(file);
  } else if (atWord("let")) {
    Stmt stmt = letStatement();
    file.constants.push_back({std::move(stmt.pattern), stmt.span, doc, std::move(stmt.type), std::move(stmt.expr)});
  } else if (acceptWord("fn")) {
    auto function = std::make_unique<Function>();
    Token name = expectName("the name of the function");
    function->name = name.text();
    function->span = name.span;
    function->doc = doc;
    functionRest(*function);
    file.functions.push_back(std::move(function));
  } else if (acceptWord("module")) {
    file.modules.push_back(module());
    file.modules.back()->doc = doc;
  } else if (acceptWord("entry")) {
    file.entries.push_back(entry());
    file.entries.back()->doc = doc;
  } else {
    fail("import, let, fn, module or entry", "statements live inside modules, functions and entries");
  }
}

void Parser::imports(File &file) {
  do {
    Import import;
    Token name = expectName("the path of a file, as in sdxl.unet");
    import.path = name.text();
    import.alias = name.text();
    import.span = name.span;
    while (accept(".")) {
      Token part = expectName("the next part of the path");
      import.path += "." + std::string(part.text());
      import.alias = part.text();
      import.span = import.span.to(part.span);
    }
    if (acceptWord("as"))
      import.alias = expectName("the name to use in this file").text();
    file.imports.push_back(std::move(import));
  } while (accept(","));
  endOfStatement();
}

std::unique_ptr<Module> Parser::module() {
  auto module = std::make_unique<Module>();
  Token name = expectName("the name of the module");
  module->name = name.text();
  module->span = name.span;
  module->parameters = at("(") ? parameters() : std::vector<Parameter>();
  module->body = moduleBody();
  return module;
}

std::unique_ptr<Entry> Parser::entry() {
  auto entry = std::make_unique<Entry>();
  Token name = expectName("the name of the entry");
  entry->name = name.text();
  entry->span = name.span;
  while (accept("."))
    entry->name += "." + std::string(expectName("the rest of the entry's name").text());
  if (acceptWord("for"))
    do
      entry->classes.emplace_back(expectName("a class of the config").text());
    while (accept(","));
  entry->function.name = entry->name;
  entry->function.span = entry->span;
  if (!at("("))
    fail("\"(\" and the inputs of the entry");
  entry->function.parameters = parameters();
  if (acceptWord("if"))
    entry->condition = expression();
  if (acceptWord("vjp"))
    do {
      Token input = expectName("an input that NAME_vjp differentiates for");
      entry->vjp.emplace_back(input.text(), input.span);
    } while (accept(","));
  if (acceptWord("where"))
    do {
      Binding binding;
      binding.fixed = acceptWord("fixed");
      Token bound = expectName("the name of a dimension");
      binding.name = bound.text();
      binding.span = bound.span;
      expect("=", "and the size");
      binding.value = expression();
      entry->bindings.push_back(std::move(binding));
    } while (accept(",") && !at("->") && !at("{"));
  results(entry->function);
  entry->function.body = block();
  return entry;
}

void Parser::functionRest(Function &function) {
  if (!at("("))
    fail("\"(\" and the parameters");
  function.parameters = parameters();
  results(function);
  if (!at("{"))
    fail("\"{\" and the body");
  function.body = block();
}

std::vector<Parameter> Parser::parameters() {
  std::vector<Parameter> list;
  expect("(", "");
  LineMode mode(*this, true);
  while (!at(")")) {
    Parameter parameter;
    Token name = expectName("the name of a parameter");
    parameter.name = name.text();
    parameter.span = name.span;
    // Rewards name their inputs `<reward>.input_ids`: dotted names are names of an entry's inputs.
    while (accept("."))
      parameter.name += "." + std::string(next().text());
    if (accept(":"))
      parameter.type = std::make_unique<Type>(type());
    if (acceptWord("if"))
      parameter.condition = expression();
    if (accept("="))
      parameter.fallback = expression();
    for (const Parameter &other : list)
      if (other.name == parameter.name)
        throw Failure{{114, parameter.span, "parameters with different names", "\"" + parameter.name + "\" a second time", "rename one of the two", {}, {}}};
    list.push_back(std::move(parameter));
    if (!accept(","))
      break;
  }
  expect(")", "after the parameters");
  return list;
}

Type Parser::type() {
  Type type;
  type.span = peek().span;
  if (acceptWord("tensor")) {
    type.kind = TypeKind::AnyTensor;
    if (!lineEnds() && accept("[")) {
      LineMode mode(*this, true);
      type.kind = TypeKind::Tensor;
      if (!at("]") && !at(";"))
        type.dims = dimensions();
      if (accept(";")) {
        Token dtype = next();
        type.dtype = dtype.text();
        if (std::find(std::begin(kDTypes), std::end(kDTypes), dtype.text()) == std::end(kDTypes))
          throw Failure{{110, dtype.span, "f32, f16, bf16, f64 or i64", "\"" + printable(dtype.text(), 40) + "\"", "", {}, {}}};
      }
      expect("]", "after the dimensions");
    }
  } else {
    Token word = next();
    if (word.kind != TokenKind::Name)
      throw Failure{{110, word.span, "a type: tensor[…], int, float, bool, string, list, record, any or a module", "\"" + printable(word.text(), 40) + "\"", "", {}, {}}};
    type.kind = TypeKind::Module;
    type.name = word.text();
    for (const TypeWord &row : kTypeWords)
      if (row.word == word.text())
        type.kind = row.kind;
    while (type.kind == TypeKind::Module && accept("."))
      type.name += "." + std::string(next().text());
  }
  type.span = type.span.to(lastSpan());
  type.optional = accept("?");
  return type;
}

void Parser::results(Function &function) {
  if (!accept("->"))
    return;
  function.hasResults = true;
  auto one = [&] {
    Result result;
    result.span = peek().span;
    bool named = peek().kind == TokenKind::Name && (peek(1).isSymbol(":") || peek(1).isSymbol("."));
    if (named) {
      result.name = next().text();
      while (accept("."))
        result.name += "." + std::string(next().text());
      expect(":", "and the type of the result");
    }
    result.type = type();
    result.span = result.span.to(lastSpan());
    function.results.push_back(std::move(result));
  };
  if (!at("(")) {
    one();
    return;
  }
  next();
  LineMode mode(*this, true);
  while (!at(")")) {
    one();
    if (!accept(","))
      break;
  }
  expect(")", "after the results");
  // `-> (x: tensor[…])` names one result; it is no tuple.
  function.tupleResult = function.results.size() > 1;
}

Body Parser::moduleBody() {
  Body body;
  expect("{", "and the members");
  LineMode mode(*this, false);
  while (!at("}") && peek().kind != TokenKind::End) {
    size_t before = position_;
    try {
      moduleStatement(body);
    } catch (Failure &failure) {
      sink_.report(std::move(failure.diagnostic));
      recover(false, before);
      if (startsDeclaration(peek()) && file_.column(peek().span.begin) == 1)
        return body;
      if (position_ == before)
        next();
    }
  }
  expect("}", "at the end of the body");
  return body;
}

void Parser::moduleStatement(Body &body) {
  Stmt stmt;
  stmt.doc = peek().doc;
  stmt.span = peek().span;
  // `if: …` and friends are members: any word may be one before a colon.
  bool member = peek(1).isSymbol(":") || (peek(1).kind == TokenKind::String && peek(2).isSymbol(":"));
  if (member || peek().kind == TokenKind::String || at("(")) {
    memberStatement(stmt);
  } else if (atWord("let")) {
    stmt = letStatement();
  } else if (acceptWord("fn")) {
    stmt.kind = StmtKind::Fn;
    stmt.fn = std::make_unique<Function>();
    stmt.fn->doc = stmt.doc;
    stmt.fn->span = stmt.span;
    if (!at("(")) {
      Token name = expectName("the name of the function");
      stmt.fn->name = name.text();
      stmt.fn->span = name.span;
    }
    functionRest(*stmt.fn);
  } else if (acceptWord("if")) {
    stmt.kind = StmtKind::If;
    stmt.expr = expression();
    stmt.then = moduleBody();
    if (acceptWord("else")) {
      if (atWord("if"))
        moduleStatement(stmt.otherwise);
      else
        stmt.otherwise = moduleBody();
    }
  } else if (acceptWord("for")) {
    stmt.kind = StmtKind::For;
    stmt.pattern = pattern();
    if (!acceptWord("in"))
      fail("\"in\" and a list");
    stmt.expr = expression();
    stmt.then = moduleBody();
  } else if (acceptWord("ignore")) {
    stmt.kind = StmtKind::Ignore;
    do {
      if (peek().kind != TokenKind::String)
        fail("a pattern of tensor names in quotes");
      Token text = next();
      stmt.patterns.emplace_back(text.string, text.span);
    } while (accept(","));
  } else if (acceptWord("adapters")) {
    stmt.kind = StmtKind::Adapters;
  } else if (atWord("require")) {
    stmt = requireStatement();
  } else {
    fail("a member (name: value), let, fn, if, for, ignore or require");
  }
  endOfStatement();
  body.push_back(std::move(stmt));
}

void Parser::memberStatement(Stmt &stmt) {
  stmt.kind = StmtKind::Member;
  if (peek().kind == TokenKind::Name) {
    stmt.name = next().text();
    if (peek().kind == TokenKind::String) {
      stmt.key = make(ExprKind::String, peek().span);
      stmt.key->text = next().string;
    }
  } else if (peek().kind == TokenKind::String) {
    stmt.key = make(ExprKind::String, peek().span);
    stmt.key->text = next().string;
  } else {
    LineMode mode(*this, true);
    next();
    stmt.key = expression();
    expect(")", "after the member's name");
  }
  expect(":", "and the member's value");
  stmt.expr = expression();
}

Stmt Parser::letStatement() {
  Stmt stmt;
  stmt.kind = StmtKind::Let;
  stmt.span = next().span;
  stmt.pattern = pattern();
  if (accept(":"))
    stmt.type = std::make_unique<Type>(type());
  expect("=", "and a value");
  stmt.expr = expression();
  endOfStatement();
  return stmt;
}

Stmt Parser::requireStatement() {
  Stmt stmt;
  stmt.kind = StmtKind::Require;
  stmt.span = peek().span;
  stmt.expr = expression();
  return stmt;
}

Pattern Parser::pattern() {
  Pattern pattern;
  pattern.span = peek().span;
  if (!at("(")) {
    pattern.name = expectName("a name").text();
    return pattern;
  }
  Depth depth(*this);
  LineMode mode(*this, true);
  next();
  do
    pattern.items.push_back(this->pattern());
  while (accept(",") && !at(")"));
  expect(")", "after the names");
  return pattern;
}

std::unique_ptr<File> parse(const SourceFile &file, DiagnosticSink &sink) { return Parser(file, sink).file(); }

} // namespace hb
