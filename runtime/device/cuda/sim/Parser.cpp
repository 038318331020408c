#include "runtime/device/cuda/sim/Parser.h"

#include <bit>
#include <cstring>

namespace hb::ptx {
namespace {

constexpr uint64_t kMaxVariableBytes = 256u << 20; // of one module: what is larger belongs into a buffer

const std::pair<std::string_view, Type> kTypes[] = {
    {"pred", {Kind::Predicate, 1}},   {"b8", {Kind::Bits, 8}},        {"b16", {Kind::Bits, 16}},           {"b32", {Kind::Bits, 32}},
    {"b64", {Kind::Bits, 64}},        {"u8", {Kind::Unsigned, 8}},    {"u16", {Kind::Unsigned, 16}},       {"u32", {Kind::Unsigned, 32}},
    {"u64", {Kind::Unsigned, 64}},    {"s8", {Kind::Signed, 8}},      {"s16", {Kind::Signed, 16}},         {"s32", {Kind::Signed, 32}},
    {"s64", {Kind::Signed, 64}},      {"f16", {Kind::Float, 16}},     {"f32", {Kind::Float, 32}},          {"f64", {Kind::Float, 64}},
    {"bf16", {Kind::BFloat, 16}},     {"tf32", {Kind::Tensor32, 32}}, {"f16x2", {Kind::Float, 32, true}},  {"bf16x2", {Kind::BFloat, 32, true}},
    {"u16x2", {Kind::Unsigned, 32, true}}, {"s16x2", {Kind::Signed, 32, true}},
};

} // namespace

Type typeNamed(std::string_view modifier) {
  for (const auto &[name, type] : kTypes)
    if (name == modifier)
      return type;
  return {};
}

bool Statement::has(std::string_view modifier) const {
  for (size_t i = 1; i < opcode.size(); ++i)
    if (opcode[i] == modifier)
      return true;
  return false;
}

const Token &Parser::peek(size_t ahead) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }

const Token &Parser::next() {
  const Token &token = peek();
  if (token.is == Token::Is::End)
    unreadable(token.line, "more text", "the end");
  ++at_;
  return token;
}

bool Parser::take(std::string_view mark) {
  if (!at(mark))
    return false;
  ++at_;
  return true;
}

void Parser::expect(std::string_view mark) {
  if (!take(mark))
    unreadable(peek().line, "'" + std::string(mark) + "'", "'" + std::string(peek().text.substr(0, 60)) + "'");
}

int64_t Parser::integer() {
  bool negative = take("-");
  const Token &token = next();
  if (token.is != Token::Is::Integer)
    unreadable(token.line, "a whole number", "'" + std::string(token.text.substr(0, 60)) + "'");
  return static_cast<int64_t>(negative ? 0 - token.value : token.value);
}

void Parser::skipUntil(std::string_view mark) {
  while (!take(mark))
    next();
}

Syntax Parser::parse(std::string_view text) {
  Parser parser;
  while (!text.empty() && text.back() == '\0')
    text.remove_suffix(1);
  parser.result_.text = std::string(text);
  // The views of the result point into its own copy, which keeps its place when the result moves (it is never short enough to lie inside it).
  parser.result_.text.reserve(64);
  parser.text_ = parser.result_.text;
  parser.tokens_ = tokens(parser.text_);
  parser.module();
  return std::move(parser.result_);
}

void Parser::module() {
  if (!at(".version"))
    unreadable(peek().line, ".version", "'" + std::string(peek().text.substr(0, 60)) + "'");
  while (peek().is != Token::Is::End)
    declaration();
}

void Parser::declaration() {
  bool external = false;
  for (;;) {
    const Token &token = next();
    std::string_view word = token.text;
    if (word == ".visible" || word == ".weak" || word == ".common")
      continue;
    if (word == ".extern") {
      external = true;
      continue;
    }
    if (word == ".version") {
      // 8.0 reads as a number with a fraction.
      next();
    } else if (word == ".target") {
      do
        next();
      while (take(","));
    } else if (word == ".address_size") {
      if (integer() != 64)
        unreadable(token.line, ".address_size 64", "another size");
    } else if (word == ".file") {
      integer();
      next();
      while (take(","))
        integer();
    } else if (word == ".section") {
      skipUntil("{");
      skipUntil("}");
    } else if (word == ".entry" || word == ".func") {
      function(word == ".entry", external);
    } else if (word == ".global" || word == ".const" || word == ".shared") {
      variables(word == ".global" ? Space::Global : word == ".const" ? Space::Const : Space::Shared, external, false);
    } else {
      unreadable(token.line, "a directive of a module", "'" + std::string(word.substr(0, 60)) + "'");
    }
    return;
  }
}

uint32_t Parser::declareVariable(Variable variable) {
  auto &list = current_ ? current_->variables : result_.variables;
  list.push_back(std::move(variable));
  return static_cast<uint32_t>(list.size() - 1);
}

Variable Parser::variable(Space space, uint32_t alignment, Type type) {
  Variable result;
  result.space = space;
  result.alignment = std::max(alignment, type.bytes());
  const Token &name = next();
  if (name.is != Token::Is::Word)
    unreadable(name.line, "the name of a variable", "'" + std::string(name.text.substr(0, 60)) + "'");
  result.name = name.text;
  result.bytes = type.bytes();
  while (take("[")) {
    uint64_t count = at("]") ? 0 : static_cast<uint64_t>(integer());
    expect("]");
    if (count > kMaxVariableBytes || (result.bytes *= count) > kMaxVariableBytes)
      unreadable(name.line, "a variable of at most " + std::to_string(kMaxVariableBytes) + " bytes", "a larger one");
  }
  if ((moduleBytes_ += result.bytes) > kMaxVariableBytes)
    unreadable(name.line, "variables of at most " + std::to_string(kMaxVariableBytes) + " bytes together", "more");
  return result;
}

void Parser::variables(Space space, bool external, bool inFunction) {
  uint32_t alignment = 1;
  Type type;
  for (;;) {
    if (take(".align")) {
      int64_t value = integer();
      if (value < 1 || value > 4096 || !std::has_single_bit(static_cast<uint64_t>(value)))
        unreadable(peek().line, "an alignment that is a power of two up to 4096", std::to_string(value));
      alignment = static_cast<uint32_t>(value);
    } else if (take(".attribute")) {
      skipUntil(")");
    } else {
      break;
    }
  }
  const Token &word = next();
  if (word.text.empty() || word.text[0] != '.' || !(type = typeNamed(word.text.substr(1))).bytes())
    unreadable(word.line, "a type", "'" + std::string(word.text.substr(0, 60)) + "'");
  do {
    std::string_view name = peek().text;
    Variable value = variable(space, alignment, type);
    value.external = external;
    if (!inFunction)
      moduleNames_[name] = static_cast<uint32_t>(result_.variables.size()); // its own address may stand in its initial value
    if (take("="))
      initialise(value, type);
    uint32_t index = declareVariable(std::move(value));
    if (inFunction)
      scopes_[scope_].names[name] = {Operand::Is::LocalVariable, index};
  } while (take(","));
  expect(";");
}

void Parser::initialise(Variable &variable, Type element) {
  variable.initial.resize(variable.bytes);
  uint64_t offset = 0;
  if (!at("{")) {
    initialValue(variable, element, offset);
    return;
  }
  int depth = 0;
  do {
    if (take("{"))
      ++depth;
    else if (take("}"))
      --depth;
    else if (!take(","))
      initialValue(variable, element, offset);
  } while (depth);
}

void Parser::initialValue(Variable &variable, Type element, uint64_t &offset) {
  uint64_t bits = 0;
  uint32_t line = peek().line;
  if (offset + element.bytes() > variable.bytes)
    unreadable(line, "as many values as the variable holds", "more");
  if (peek().is == Token::Is::FloatBits) {
    const Token &token = next();
    bits = token.value;
    if (token.floatBits == 64 && element.bits == 32)
      bits = std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(token.value)));
  } else if (peek().is == Token::Is::Word) {
    bool generic = take("generic");
    if (generic)
      expect("(");
    auto found = moduleNames_.find(next().text);
    if (found == moduleNames_.end() || element.bytes() != 8)
      unreadable(line, "the name of an earlier variable, as a 64-bit value", "'" + std::string(tokens_[at_ - 1].text.substr(0, 60)) + "'");
    if (generic)
      expect(")");
    int64_t addend = take("+") ? integer() : 0;
    variable.references.push_back({offset, found->second, addend});
  } else {
    bits = static_cast<uint64_t>(integer());
  }
  std::memcpy(variable.initial.data() + offset, &bits, element.bytes());
  offset += element.bytes();
}

void Parser::parameterList(std::vector<uint32_t> &into) {
  expect("(");
  while (!take(")")) {
    const Token &word = next();
    if (word.text == ".reg") {
      Type type = typeNamed(next().text.substr(1));
      uint32_t index = newRegister(type);
      scopes_[scope_].names[next().text] = {Operand::Is::Register, index};
      into.push_back(index | kRegisterParameter);
    } else if (word.text == ".param") {
      uint32_t alignment = 1;
      Type type;
      // .param .u64 .ptr .global .align 16 name
      while (peek().text.size() > 1 && peek().text[0] == '.') {
        std::string_view part = next().text;
        if (part == ".align")
          alignment = static_cast<uint32_t>(integer());
        else if (typeNamed(part.substr(1)).bytes())
          type = typeNamed(part.substr(1));
        else if (part == ".ptr" && (alignment = 1))
          continue;
      }
      // The alignment behind .ptr is of what the pointer points to.
      bool pointer = type.bytes() == 8;
      std::string_view name = peek().text;
      if (alignment > 4096 || !std::has_single_bit(alignment) || !type.bytes())
        unreadable(word.line, "a parameter with a type", "'" + std::string(name.substr(0, 60)) + "'");
      Variable value = variable(Space::Param, pointer ? 1 : alignment, type);
      uint32_t index = declareVariable(std::move(value));
      scopes_[scope_].names[name] = {Operand::Is::LocalVariable, index};
      into.push_back(index);
    } else {
      unreadable(word.line, "a parameter", "'" + std::string(word.text.substr(0, 60)) + "'");
    }
    if (!at(")"))
      expect(",");
  }
}

void Parser::function(bool entry, bool external) {
  Function fresh;
  fresh.entry = entry;
  // Declared twice (a prototype, then the body): the second replaces the first, calls hold the index.
  current_ = &fresh;
  scopes_.assign(1, {});
  scope_ = 0;
  uses_.clear();
  if (at("("))
    parameterList(fresh.results);
  const Token &name = next();
  if (name.is != Token::Is::Word)
    unreadable(name.line, "the name of a function", "'" + std::string(name.text.substr(0, 60)) + "'");
  fresh.name = name.text;
  if (at("("))
    parameterList(fresh.parameters);
  auto [slot, isNew] = functionNames_.try_emplace(name.text, static_cast<uint32_t>(result_.functions.size()));
  if (isNew)
    result_.functions.emplace_back();
  else if (result_.functions[slot->second].defined && !external)
    unreadable(name.line, "one body of a function", "a second one of " + fresh.name);
  while (!at("{") && !take(";")) {
    const Token &word = next();
    if (word.text == ".maxntid" || word.text == ".reqntid") {
      uint64_t threads = 1;
      do
        threads *= static_cast<uint32_t>(integer());
      while (take(",") && threads <= 1024);
      if (threads > 1024 || threads == 0)
        unreadable(word.line, "at most 1024 threads", "more");
      fresh.maxThreads = static_cast<uint32_t>(threads);
    } else if (word.text == ".minnctapersm" || word.text == ".maxnctapersm" || word.text == ".maxnreg" || word.text == ".abi_preserve") {
      integer();
    } else if (word.text == ".pragma") {
      skipUntil(";");
    } else if (word.text != ".noreturn") {
      unreadable(word.line, "a directive of a function, { or ;", "'" + std::string(word.text.substr(0, 60)) + "'");
    }
  }
  if (at("{")) {
    fresh.defined = true;
    body();
    bindLabels();
  }
  if (fresh.defined || isNew)
    result_.functions[slot->second] = std::move(fresh);
  current_ = nullptr;
}

} // namespace hb::ptx
