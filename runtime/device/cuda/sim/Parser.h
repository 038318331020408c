// Reads PTX into Syntax: names become indices.
#pragma once

#include "runtime/device/cuda/sim/Lexer.h"
#include "runtime/device/cuda/sim/Syntax.h"

#include <map>
#include <optional>

namespace hb::ptx {

class Parser {
public:
  /// HB0981 for anything that is not PTX as docs/cuda-simulator.md describes it.
  static Syntax parse(std::string_view text);

private:
  struct Range { uint32_t base, count; };
  struct Name { Operand::Is is; uint32_t index; };
  /// What a pair of braces declares. Labels may be used before they are written, so their uses are bound when the function ends.
  struct Scope {
    std::map<std::string_view, Range> ranges;
    std::map<std::string_view, Name> names;
    std::map<std::string_view, uint32_t> labels;
    int parent = -1;
  };
  struct LabelUse { std::string_view name; uint32_t line; int scope; };

  // Tokens.
  const Token &peek(size_t ahead = 0) const;
  const Token &next();
  bool take(std::string_view mark);
  void expect(std::string_view mark);
  bool at(std::string_view mark) const { return peek().text == mark && peek().is != Token::Is::Text; }
  int64_t integer();
  void skipUntil(std::string_view mark);

  // Module level (Parser.cpp).
  void module();
  void declaration();
  void function(bool entry, bool external);
  void parameterList(std::vector<uint32_t> &into);
  void variables(Space space, bool external, bool inFunction);
  Variable variable(Space space, uint32_t alignment, Type type);
  void initialise(Variable &variable, Type element);
  void initialValue(Variable &variable, Type element, uint64_t &offset);
  uint32_t declareVariable(Variable variable);

  // Bodies (ParserBody.cpp).
  void body();
  void registers();
  void statement();
  void branchTargets(std::string_view label);
  Operand operand();
  Operand address();
  Operand named(std::string_view word, uint32_t line);
  std::optional<uint32_t> registerNamed(std::string_view word) const;
  uint32_t newRegister(Type type);
  uint32_t labelUse(std::string_view name, uint32_t line);
  void bindLabels();
  void bindLabels(Operand &operand);

  std::string_view text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  Syntax result_;
  std::map<std::string_view, uint32_t> moduleNames_, functionNames_;
  Function *current_ = nullptr;
  std::vector<Scope> scopes_;
  int scope_ = -1;
  std::vector<LabelUse> uses_;
  uint64_t moduleBytes_ = 0;
};

} // namespace hb::ptx
