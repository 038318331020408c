#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lexer.h"
#include "runtime/device/cuda/sim/Parser.h"

#include <algorithm>

namespace hb::ptx {
namespace {

constexpr uint32_t kConstantPart = 0x80000000u; // marks slots of the constant part until its place is known
constexpr uint64_t kMaxLocalBytes = 512u << 10; // of one thread, as on the hardware
constexpr uint64_t kMaxSharedBytes = 228u << 10; // the most any architecture has

uint64_t aligned(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

std::string oneLine(std::string_view text) {
  std::string result;
  for (char c : text)
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
      result += c;
    else if (!result.empty() && result.back() != ' ')
      result += ' ';
  while (!result.empty() && result.back() == ' ')
    result.pop_back();
  return result.size() > 160 ? result.substr(0, 160) + "…" : result;
}

const std::map<std::string_view, Rule> &rules() {
  static const std::map<std::string_view, Rule> table = [] {
    std::map<std::string_view, Rule> all;
    for (auto family : {integerRules(), floatRules(), halfRules(), approximateRules(), compareRules(), convertRules(), moveRules(), memoryRules(), atomicRules(), asyncRules(),
                        matrixRules(), warpRules()})
      for (const NamedRule &rule : family)
        all.emplace(rule.opcode, rule.rule);
    return all;
  }();
  return table;
}

} // namespace

Decoder::Decoder(const Syntax &syntax, const Program &program, const Function &function, Entry &entry)
    : syntax_(syntax), program_(program), function_(function), entry_(entry), flat_(flatten(syntax, function)) {
  orderBlocks(flat_);
}

void Decoder::refuse(const std::string &expected) const { unreadable(statement_->line, expected, oneLine(statement_->text)); }

uint32_t Decoder::newSlot(unsigned bits) {
  uint32_t bytes = bits == 1 ? 4 : bits == 64 ? 256 : 128;
  // Whole cache lines for arrays, packed words for predicates.
  if (bits != 1)
    slotBytes_ = static_cast<uint32_t>(aligned(slotBytes_, 64));
  uint32_t slot = slotBytes_;
  slotBytes_ += bytes;
  return slot;
}

uint32_t Decoder::registerSlot(uint32_t index) {
  uint32_t &slot = registerSlots_[index];
  if (slot == kNone)
    slot = newSlot(flat_.registers[index].kind == Kind::Predicate ? 1 : flat_.registers[index].bits == 64 ? 64 : 32);
  return slot;
}

uint32_t Decoder::scratch(unsigned bits) { return newSlot(bits == 1 ? 1 : bits == 64 ? 64 : 32); }

uint32_t Decoder::constant(uint64_t value, unsigned bits) {
  unsigned width = bits == 1 ? 1 : bits == 64 ? 64 : 32;
  value = width == 1 ? (value ? 1 : 0) : width == 32 ? value & 0xFFFFFFFF : value;
  auto [found, fresh] = constants_.try_emplace({value, width}, 0);
  if (fresh) {
    uint32_t offset = constantImage_.empty() ? 0 : constantImage_.back().first + (constantImage_.back().second.second == 64 ? 256 : 128);
    constantImage_.push_back({offset, {value, width}});
    found->second = offset | kConstantPart;
  }
  return found->second;
}

uint32_t Decoder::specialSlot(Special special) {
  auto [found, fresh] = specialSlots_.try_emplace(special, 0);
  if (fresh) {
    found->second = newSlot(32);
    entry_.specials.push_back({found->second, special});
  }
  return found->second;
}

int64_t Decoder::valueOf(const Operand &operand) const {
  switch (operand.is) {
  case Operand::Is::Integer: return operand.value;
  case Operand::Is::ModuleVariable: return moduleAddresses_[operand.index] + operand.value;
  case Operand::Is::LocalVariable: return localAddresses_[operand.index] + operand.value;
  default: refuse("a register, a number or a variable");
  }
}

unsigned Decoder::registerBits(const Operand &operand) const {
  if (operand.is == Operand::Is::Special)
    return 32;
  return operand.is == Operand::Is::Register ? flat_.registers[operand.index].bits : 0;
}

uint32_t Decoder::read(const Operand &operand, unsigned bits) {
  if (operand.is == Operand::Is::Register) {
    const Type &type = flat_.registers[operand.index];
    bool predicate = type.kind == Kind::Predicate;
    if (predicate != (bits == 1) || (!predicate && (type.bits == 64) != (bits == 64)) || operand.negated)
      refuse("a register of " + std::to_string(bits) + " bits");
    return registerSlot(operand.index);
  }
  if (operand.is == Operand::Is::Special) {
    if (bits == 1 || bits == 64)
      refuse("a register of " + std::to_string(bits) + " bits");
    return specialSlot(static_cast<Special>(operand.value));
  }
  if (operand.is == Operand::Is::FloatBits) {
    uint64_t value = static_cast<uint64_t>(operand.value);
    if (operand.index == 64 && bits == 32)
      value = std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(value)));
    else if (operand.index == 32 && bits == 64)
      value = std::bit_cast<uint64_t>(static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(value))));
    return constant(value, bits);
  }
  return constant(static_cast<uint64_t>(valueOf(operand)), bits);
}

uint32_t Decoder::readAnyWidth(const Operand &operand, bool &wide) {
  wide = registerBits(operand) == 64;
  return read(operand, wide ? 64 : 32);
}

uint32_t Decoder::write(const Operand &operand, unsigned bits) {
  if (operand.is == Operand::Is::Blank)
    return scratch(bits);
  if (operand.is != Operand::Is::Register)
    refuse("a register for the result");
  return read(operand, bits);
}

uint32_t Decoder::writeAnyWidth(const Operand &operand, bool &wide) {
  wide = registerBits(operand) == 64;
  return write(operand, wide ? 64 : 32);
}

std::span<const Operand> Decoder::elements(const Operand &operand) {
  if (operand.is == Operand::Is::Vector || operand.is == Operand::Is::Pair || operand.is == Operand::Is::List)
    return operand.elements;
  return {&operand, 1};
}

Space Decoder::addressed(const Operand &operand) const {
  if (operand.is != Operand::Is::Address || operand.elements.empty())
    return Space::Generic;
  const Operand &base = operand.elements[0];
  if (base.is == Operand::Is::LocalVariable)
    return flat_.variables[base.index].space == Space::Param && !isParameter_[base.index] ? Space::Local : flat_.variables[base.index].space;
  return base.is == Operand::Is::ModuleVariable ? syntax_.variables[base.index].space : Space::Generic;
}

void Decoder::address(const Operand &operand, Instruction &instruction, unsigned slot, int which) {
  if (operand.is != Operand::Is::Address || operand.elements.size() > 1)
    refuse("an address in brackets");
  int64_t offset = operand.value;
  bool wide = true;
  uint32_t base;
  if (!operand.elements.empty() && operand.elements[0].is == Operand::Is::Register) {
    base = readAnyWidth(operand.elements[0], wide);
  } else {
    if (!operand.elements.empty())
      offset += valueOf(operand.elements[0]);
    base = constant(0, 64);
  }
  instruction.operand[slot] = base;
  (which ? instruction.offset2 : instruction.offset) = offset;
  (which ? instruction.wideAddress2 : instruction.wideAddress) = wide;
}

void Decoder::markUsed(const Operand &operand, std::vector<bool> &module, std::vector<bool> &local) const {
  if (operand.is == Operand::Is::ModuleVariable)
    module[operand.index] = true;
  else if (operand.is == Operand::Is::LocalVariable)
    local[operand.index] = true;
  for (const Operand &element : operand.elements)
    markUsed(element, module, local);
}

void Decoder::placeParameters() {
  uint64_t offset = 0;
  isParameter_.assign(flat_.variables.size(), false);
  for (uint32_t index : flat_.parameters) {
    const Variable &variable = flat_.variables[index];
    offset = aligned(offset, variable.alignment);
    isParameter_[index] = true;
    localAddresses_[index] = static_cast<int64_t>(offset);
    entry_.parameterOffsets.push_back(static_cast<uint32_t>(offset));
    entry_.info.parameterBytes.push_back(static_cast<uint32_t>(variable.bytes));
    offset += variable.bytes;
  }
  if (offset > 32764)
    unreadable(1, "at most 32764 bytes of parameters", std::to_string(offset));
  entry_.parameterBytes = static_cast<uint32_t>(offset);
}

void Decoder::placeVariables() {
  moduleAddresses_.assign(syntax_.variables.size(), 0);
  localAddresses_.assign(flat_.variables.size(), 0);
  placeParameters();
  std::vector<bool> module(syntax_.variables.size(), false), local(flat_.variables.size(), false);
  for (const Statement &statement : flat_.body)
    for (const Operand &operand : statement.operands)
      markUsed(operand, module, local);
  // Shared variables of a module count for the entries that use them. The external ones all name the dynamic part, behind the rest.
  uint64_t shared = 0, inThread = 0;
  auto placeShared = [&](const Variable &variable) {
    shared = aligned(shared, variable.alignment);
    uint64_t at = shared;
    shared += variable.bytes;
    return static_cast<int64_t>(at);
  };
  for (size_t i = 0; i < syntax_.variables.size(); ++i) {
    const Variable &variable = syntax_.variables[i];
    if (variable.space != Space::Shared)
      moduleAddresses_[i] = static_cast<int64_t>(reinterpret_cast<uint64_t>(program_.variables[i].start));
    else if (module[i] && !variable.external)
      moduleAddresses_[i] = placeShared(variable);
  }
  for (size_t i = 0; i < flat_.variables.size(); ++i) {
    const Variable &variable = flat_.variables[i];
    if (isParameter_[i])
      continue;
    if (variable.space == Space::Shared) {
      localAddresses_[i] = placeShared(variable);
    } else if (local[i]) {
      inThread = aligned(inThread, variable.alignment);
      localAddresses_[i] = static_cast<int64_t>(inThread);
      inThread += variable.bytes;
    }
  }
  if (shared > kMaxSharedBytes || inThread > kMaxLocalBytes)
    unreadable(1, "at most " + std::to_string(kMaxSharedBytes) + " bytes of shared and " + std::to_string(kMaxLocalBytes) + " of local memory",
               std::to_string(shared) + " and " + std::to_string(inThread) + " in " + entry_.info.name);
  entry_.sharedBytes = entry_.info.staticSharedBytes = static_cast<uint32_t>(shared);
  entry_.localBytes = static_cast<uint32_t>(aligned(inThread, 16));
  for (size_t i = 0; i < syntax_.variables.size(); ++i)
    if (module[i] && syntax_.variables[i].space == Space::Shared && syntax_.variables[i].external)
      entry_.sharedAlignment = std::max(entry_.sharedAlignment, syntax_.variables[i].alignment);
  for (size_t i = 0; i < syntax_.variables.size(); ++i)
    if (syntax_.variables[i].space == Space::Shared && syntax_.variables[i].external)
      moduleAddresses_[i] = entry_.dynamicStart();
}

void Decoder::decode(const Statement &statement, const std::vector<uint32_t> &positions, Instruction &result) {
  statement_ = &statement;
  if (statement.guard >= 0) {
    result.guard = registerSlot(static_cast<uint32_t>(statement.guard));
    result.guardFlip = statement.guardNegated ? kAllLanes : 0;
  }
  if (control(statement, positions, result))
    return;
  auto found = rules().find(statement.opcode[0]);
  if (found == rules().end() || !found->second(*this, statement, result))
    refuse("an instruction the simulator knows");
}

void Decoder::run() {
  registerSlots_.assign(flat_.registers.size(), kNone);
  placeVariables();
  std::vector<uint32_t> positions(flat_.labels, kNone);
  uint32_t count = 0;
  for (const Statement &statement : flat_.body)
    if (statement.opcode.empty())
      positions[statement.label] = count;
    else
      ++count;
  entry_.code.reserve(count + 1);
  for (const Statement &statement : flat_.body) {
    if (statement.opcode.empty())
      continue;
    Instruction instruction;
    decode(statement, positions, instruction);
    instruction.source = static_cast<uint32_t>(entry_.sources.size());
    Source source;
    source.line = statement.line;
    source.text = oneLine(statement.text);
    for (std::string_view part : statement.opcode)
      source.opcode += (source.opcode.empty() ? "" : ".") + std::string(part);
    entry_.sources.push_back(std::move(source));
    entry_.code.push_back(instruction);
  }
  // Falling off the end is an exit.
  Instruction end;
  end.flow = Flow::Exit;
  end.source = static_cast<uint32_t>(entry_.sources.size());
  entry_.sources.push_back({function_.defined && !flat_.body.empty() ? flat_.body.back().line : 0, "", "exit"});
  entry_.code.push_back(end);

  entry_.variableBytes = static_cast<uint32_t>(aligned(slotBytes_, 64));
  uint32_t constantBytes = constantImage_.empty() ? 0 : constantImage_.back().first + 256;
  entry_.registers.assign(entry_.variableBytes + constantBytes, std::byte{0});
  for (const auto &[offset, value] : constantImage_) {
    std::byte *at = entry_.registers.data() + entry_.variableBytes + offset;
    for (unsigned lane = 0; lane < 32; ++lane)
      if (value.second == 64)
        std::memcpy(at + lane * 8, &value.first, 8);
      else if (value.second == 32)
        std::memcpy(at + lane * 4, &value.first, 4);
    if (value.second == 1)
      std::memset(at, value.first ? 0xFF : 0, 4);
  }
  for (Instruction &instruction : entry_.code)
    for (uint32_t &operand : instruction.operand)
      if (operand != kNone && (operand & kConstantPart))
        operand = (operand & ~kConstantPart) + entry_.variableBytes;
}

std::unique_ptr<Program> decodeProgram(std::string_view text) {
  Syntax syntax = Parser::parse(text);
  auto program = std::make_unique<Program>();
  size_t bytes = 0;
  std::vector<size_t> offsets;
  for (const Variable &variable : syntax.variables) {
    bytes = aligned(bytes, std::max<uint64_t>(variable.alignment, 16));
    offsets.push_back(bytes);
    if (variable.space != Space::Shared)
      bytes += variable.bytes;
  }
  program->memory.resize(bytes + 256);
  std::byte *base = program->memory.data();
  base += aligned(reinterpret_cast<uint64_t>(base), 256) - reinterpret_cast<uint64_t>(base);
  for (size_t i = 0; i < syntax.variables.size(); ++i) {
    const Variable &variable = syntax.variables[i];
    if (variable.external && variable.space != Space::Shared)
      unreadable(1, "variables that this text defines", ".extern " + variable.name);
    program->variables.push_back({variable.name, base + offsets[i], variable.space == Space::Shared ? 0 : variable.bytes, variable.space == Space::Global});
    if (!variable.initial.empty() && variable.space != Space::Shared)
      std::memcpy(base + offsets[i], variable.initial.data(), variable.initial.size());
  }
  for (size_t i = 0; i < syntax.variables.size(); ++i)
    for (const Variable::Reference &reference : syntax.variables[i].references) {
      uint64_t value = reinterpret_cast<uint64_t>(program->variables[reference.variable].start) + reference.addend;
      std::memcpy(program->variables[i].start + reference.at, &value, 8);
    }
  for (const Function &function : syntax.functions) {
    if (!function.entry || !function.defined)
      continue;
    Entry &entry = program->entries[function.name];
    entry.info.name = function.name;
    entry.info.maxThreads = function.maxThreads;
    Decoder(syntax, *program, function, entry).run();
  }
  return program;
}

} // namespace hb::ptx
