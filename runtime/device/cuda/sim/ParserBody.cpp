#include "runtime/device/cuda/sim/Parser.h"

namespace hb::ptx {
namespace {

constexpr uint32_t kMaxRegisters = 1u << 20;
constexpr size_t kMaxDepth = 64; // of braces and of operands in operands

const std::pair<std::string_view, Special> kSpecials[] = {
    {"%tid.x", Special::TidX},         {"%tid.y", Special::TidY},         {"%tid.z", Special::TidZ},         {"%ntid.x", Special::NtidX},
    {"%ntid.y", Special::NtidY},       {"%ntid.z", Special::NtidZ},       {"%ctaid.x", Special::CtaX},       {"%ctaid.y", Special::CtaY},
    {"%ctaid.z", Special::CtaZ},       {"%nctaid.x", Special::NctaX},     {"%nctaid.y", Special::NctaY},     {"%nctaid.z", Special::NctaZ},
    {"%laneid", Special::Lane},        {"%warpid", Special::Warp},        {"%nwarpid", Special::Warps},      {"%lanemask_eq", Special::MaskEq},
    {"%lanemask_lt", Special::MaskLt}, {"%lanemask_le", Special::MaskLe}, {"%lanemask_gt", Special::MaskGt}, {"%lanemask_ge", Special::MaskGe},
    {"%dynamic_smem_size", Special::DynamicShared}, {"%total_smem_size", Special::TotalShared}, {"%clock", Special::Clock}, {"%clock64", Special::Clock},
    {"%smid", Special::Zero},          {"%gridid", Special::Zero},        {"%globaltimer", Special::Clock},
};

std::string quoted(std::string_view word) { return "'" + std::string(word.substr(0, 60)) + "'"; }

} // namespace

uint32_t Parser::newRegister(Type type) {
  if (type.kind == Kind::None || current_->registers.size() >= kMaxRegisters)
    unreadable(peek().line, "a register type, and at most " + std::to_string(kMaxRegisters) + " registers", quoted(peek().text));
  current_->registers.push_back(type);
  return static_cast<uint32_t>(current_->registers.size() - 1);
}

void Parser::registers() {
  const Token &word = next();
  Type type = word.text.size() > 1 ? typeNamed(word.text.substr(1)) : Type{};
  if (type.kind == Kind::None)
    unreadable(word.line, "the type of registers", quoted(word.text));
  do {
    std::string_view name = next().text;
    if (take("<")) {
      int64_t count = integer();
      expect(">");
      if (count < 0 || current_->registers.size() + static_cast<uint64_t>(count) > kMaxRegisters)
        unreadable(word.line, "at most " + std::to_string(kMaxRegisters) + " registers", std::to_string(count));
      scopes_[scope_].ranges[name] = {static_cast<uint32_t>(current_->registers.size()), static_cast<uint32_t>(count)};
      current_->registers.insert(current_->registers.end(), static_cast<size_t>(count), type);
    } else {
      scopes_[scope_].names[name] = {Operand::Is::Register, newRegister(type)};
    }
  } while (take(","));
  expect(";");
}

std::optional<uint32_t> Parser::registerNamed(std::string_view word) const {
  size_t digits = word.size();
  while (digits && word[digits - 1] >= '0' && word[digits - 1] <= '9')
    --digits;
  if (digits == word.size() || word.size() - digits > 7 || (word[digits] == '0' && word.size() - digits > 1))
    return std::nullopt;
  uint32_t number = 0;
  for (char c : word.substr(digits))
    number = number * 10 + (c - '0');
  for (int scope = scope_; scope >= 0; scope = scopes_[scope].parent) {
    auto found = scopes_[scope].ranges.find(word.substr(0, digits));
    if (found != scopes_[scope].ranges.end() && number < found->second.count)
      return found->second.base + number;
  }
  return std::nullopt;
}

uint32_t Parser::labelUse(std::string_view name, uint32_t line) {
  uses_.push_back({name, line, scope_});
  return static_cast<uint32_t>(uses_.size() - 1);
}

Operand Parser::named(std::string_view word, uint32_t line) {
  Operand result;
  if (word == "_")
    return result;
  for (int scope = scope_; scope >= 0; scope = scopes_[scope].parent)
    if (auto found = scopes_[scope].names.find(word); found != scopes_[scope].names.end()) {
      result.is = found->second.is;
      result.index = found->second.index;
      return result;
    }
  if (auto found = registerNamed(word)) {
    result.is = Operand::Is::Register;
    result.index = *found;
    return result;
  }
  if (word == "WARP_SZ") {
    result.is = Operand::Is::Integer;
    result.value = 32;
    return result;
  }
  for (const auto &[name, special] : kSpecials)
    if (name == word) {
      result.is = Operand::Is::Special;
      result.value = static_cast<int64_t>(special);
      return result;
    }
  if (auto found = moduleNames_.find(word); found != moduleNames_.end()) {
    result.is = Operand::Is::ModuleVariable;
    result.index = found->second;
    return result;
  }
  if (auto found = functionNames_.find(word); found != functionNames_.end()) {
    result.is = Operand::Is::Function;
    result.index = found->second;
    return result;
  }
  if (word[0] == '%' || word[0] == '.')
    unreadable(line, "a name that was declared", quoted(word));
  result.is = Operand::Is::Label; // bound at the end of the function
  result.index = labelUse(word, line);
  return result;
}

Operand Parser::address() {
  Operand result;
  result.is = Operand::Is::Address;
  const Token &token = peek();
  if (token.is == Token::Is::Word) {
    next();
    result.elements.push_back(named(token.text, token.line));
    if (take("+"))
      result.value = integer();
    else if (at("-"))
      result.value = integer();
    if (take(",")) // coordinates of a tensor
      result.elements.push_back(operand());
  } else {
    result.value = integer();
  }
  expect("]");
  return result;
}

Operand Parser::operand() {
  Operand result;
  const Token &token = peek();
  if (take("["))
    return address();
  if (take("{") || take("(")) {
    bool list = token.text == "(";
    result.is = list ? Operand::Is::List : Operand::Is::Vector;
    while (!take(list ? ")" : "}")) {
      if (result.elements.size() >= kMaxDepth * 8 || at("{") || at("("))
        unreadable(token.line, "plain elements", quoted(peek().text));
      result.elements.push_back(operand());
      if (!at(list ? ")" : "}"))
        expect(",");
    }
    return result;
  }
  if (take("!")) {
    const Token &name = next();
    result = named(name.text, name.line);
    result.negated = true;
    return result;
  }
  if (token.is == Token::Is::Integer || at("-")) {
    result.is = Operand::Is::Integer;
    result.value = integer();
    return result;
  }
  next();
  if (token.is == Token::Is::FloatBits) {
    result.is = Operand::Is::FloatBits;
    result.value = static_cast<int64_t>(token.value);
    result.index = token.floatBits;
    return result;
  }
  if (token.is != Token::Is::Word)
    unreadable(token.line, "an operand", quoted(token.text));
  result = named(token.text, token.line);
  if (take("|")) {
    const Token &second = next();
    if (second.is != Token::Is::Word)
      unreadable(second.line, "a register", quoted(second.text));
    Operand pair;
    pair.is = Operand::Is::Pair;
    pair.elements.push_back(std::move(result));
    pair.elements.push_back(named(second.text, second.line));
    return pair;
  }
  if (take("+")) { // variable + offset
    result.value = integer();
  }
  return result;
}

void Parser::branchTargets(std::string_view label) {
  std::vector<uint32_t> targets;
  do {
    const Token &name = next();
    targets.push_back(labelUse(name.text, name.line));
  } while (take(","));
  expect(";");
  current_->branchTargets[scopes_[scope_].labels.at(label)] = std::move(targets);
}

void Parser::statement() {
  Statement result;
  result.line = peek().line;
  const char *from = peek().text.data();
  if (take("@")) {
    result.guardNegated = take("!");
    const Token &name = next();
    Operand guard = named(name.text, name.line);
    if (guard.is != Operand::Is::Register || current_->registers[guard.index].kind != Kind::Predicate)
      unreadable(name.line, "a predicate register behind @", quoted(name.text));
    result.guard = guard.index;
  }
  const Token &word = next();
  if (word.is != Token::Is::Word || word.text[0] == '.' || word.text[0] == '%')
    unreadable(word.line, "an instruction", quoted(word.text));
  for (std::string_view rest = word.text; !rest.empty();) {
    size_t dot = rest.find('.');
    result.opcode.push_back(rest.substr(0, dot));
    rest = dot == rest.npos ? std::string_view{} : rest.substr(dot + 1);
  }
  if (!at(";"))
    do
      result.operands.push_back(operand());
    while (take(","));
  const Token &end = peek();
  expect(";");
  result.text = std::string_view(from, end.text.data() - from);
  current_->body.push_back(std::move(result));
}

void Parser::body() {
  expect("{");
  std::vector<int> open{scope_};
  while (!open.empty()) {
    const Token &token = peek();
    if (take("{")) {
      if (open.size() > kMaxDepth)
        unreadable(token.line, "at most " + std::to_string(kMaxDepth) + " braces inside each other", "more");
      open.push_back(scope_);
      scopes_.push_back({});
      scopes_.back().parent = scope_;
      scope_ = static_cast<int>(scopes_.size() - 1);
    } else if (take("}")) {
      scope_ = open.back();
      open.pop_back();
    } else if (take(".reg")) {
      registers();
    } else if (take(".local")) {
      variables(Space::Local, false, true);
    } else if (take(".shared")) {
      variables(Space::Shared, false, true);
    } else if (take(".param")) {
      variables(Space::Param, false, true);
    } else if (take(".loc") || take(".pragma") || take(".callprototype")) {
      if (token.text == ".loc") { // .loc 1 20 3, function_name $L__info, inlined_at 1 5 7
        integer(), integer(), integer();
        while (take(","))
          if (take("function_name"))
            next();
          else
            next(), integer(), integer(), integer();
      } else {
        skipUntil(";");
      }
    } else if (token.is == Token::Is::Word && peek(1).text == ":") {
      next(), next();
      uint32_t label = current_->labels++;
      if (!scopes_[scope_].labels.try_emplace(token.text, label).second)
        unreadable(token.line, "every label once", "a second " + quoted(token.text));
      if (take(".branchtargets")) {
        branchTargets(token.text);
      } else if (take(".callprototype")) {
        skipUntil(";");
      } else {
        Statement mark;
        mark.line = token.line;
        mark.label = label;
        current_->body.push_back(std::move(mark));
      }
    } else if (!take(";")) {
      statement();
    }
  }
}

void Parser::bindLabels(Operand &operand) {
  for (Operand &element : operand.elements)
    bindLabels(element);
  if (operand.is != Operand::Is::Label)
    return;
  const LabelUse &use = uses_[operand.index];
  for (int scope = use.scope; scope >= 0; scope = scopes_[scope].parent)
    if (auto found = scopes_[scope].labels.find(use.name); found != scopes_[scope].labels.end()) {
      operand.index = found->second;
      return;
    }
  unreadable(use.line, "a name that was declared", quoted(use.name));
}

void Parser::bindLabels() {
  for (Statement &statement : current_->body)
    for (Operand &operand : statement.operands)
      bindLabels(operand);
  for (auto &[label, targets] : current_->branchTargets)
    for (uint32_t &target : targets) {
      Operand use;
      use.is = Operand::Is::Label;
      use.index = target;
      bindLabels(use);
      target = use.index;
    }
}

} // namespace hb::ptx
