// Statements become Instructions. Each family of instructions has its rules in an Ops*.cpp file.
#pragma once

#include "runtime/device/cuda/sim/Flatten.h"
#include "runtime/device/cuda/sim/Machine.h"

#include <span>

namespace hb::ptx {

class Decoder {
public:
  Decoder(const Syntax &syntax, const Program &program, const Function &function, Entry &entry);
  void run();

  // For the rules.
  /// The slot that holds a value of this width: a register, a constant, a special register or the address of a variable. `bits` 1: a predicate.
  uint32_t read(const Operand &operand, unsigned bits);
  /// The same for a 32-bit value whose registers may be wider (cvt): says whether the slot has 64-bit words.
  uint32_t readAnyWidth(const Operand &operand, bool &wide);
  uint32_t write(const Operand &operand, unsigned bits);
  uint32_t writeAnyWidth(const Operand &operand, bool &wide);
  /// A place where results go that nobody reads ("_").
  uint32_t scratch(unsigned bits);
  uint32_t constant(uint64_t value, unsigned bits);
  /// The predicate that holds the carries of add.cc and its like.
  uint32_t carry() { return carry_ == kNone ? carry_ = newSlot(1) : carry_; }
  /// [base + offset] into operand[slot] and offset; which = 1 sets the second address of the instruction.
  void address(const Operand &operand, Instruction &instruction, unsigned slot, int which = 0);
  unsigned registerBits(const Operand &operand) const;
  bool isRegister(const Operand &operand) const { return operand.is == Operand::Is::Register; }
  bool isPredicate(const Operand &operand) const { return isRegister(operand) && flat_.registers[operand.index].kind == Kind::Predicate; }
  /// Elements of {a, b}, or the operand itself.
  static std::span<const Operand> elements(const Operand &operand);
  /// The space of the variable an address names, or Generic.
  Space addressed(const Operand &operand) const;
  void sharedAccess(unsigned bytes) { entry_.sharedGranule = std::min(entry_.sharedGranule, std::max(1u, bytes)); }
  void globalAccess(unsigned bytes) { entry_.globalGranule = std::min(entry_.globalGranule, std::max(1u, bytes)); }
  [[noreturn]] void refuse(const std::string &expected) const;
  Entry &entry() { return entry_; }

private:
  void placeVariables();
  void placeParameters();
  void markUsed(const Operand &operand, std::vector<bool> &module, std::vector<bool> &local) const;
  void decode(const Statement &statement, const std::vector<uint32_t> &positions, Instruction &result);
  bool control(const Statement &statement, const std::vector<uint32_t> &positions, Instruction &result);
  uint32_t registerSlot(uint32_t index);
  uint32_t specialSlot(Special special);
  int64_t valueOf(const Operand &operand) const;
  uint32_t newSlot(unsigned bits);

  const Syntax &syntax_;
  const Program &program_;
  const Function &function_;
  Entry &entry_;
  FlatEntry flat_;
  const Statement *statement_ = nullptr;
  std::vector<uint32_t> registerSlots_;
  std::map<std::pair<uint64_t, unsigned>, uint32_t> constants_;
  std::map<Special, uint32_t> specialSlots_;
  std::vector<int64_t> moduleAddresses_, localAddresses_;
  std::vector<bool> isParameter_;
  uint32_t slotBytes_ = 0, carry_ = kNone;
  std::vector<std::pair<uint32_t, std::pair<uint64_t, unsigned>>> constantImage_;
};

/// Fills operands and the operation; false when the rule does not know this variant of the instruction.
using Rule = bool (*)(Decoder &decoder, const Statement &statement, Instruction &instruction);
struct NamedRule { std::string_view opcode; Rule rule; };
std::span<const NamedRule> integerRules();   // OpsInteger.cpp
std::span<const NamedRule> floatRules();     // OpsFloat.cpp
std::span<const NamedRule> halfRules();      // OpsHalf.cpp: called by the float rules for f16, bf16 and their pairs
std::span<const NamedRule> approximateRules(); // OpsApproximate.cpp
std::span<const NamedRule> compareRules();   // OpsCompare.cpp
std::span<const NamedRule> convertRules();   // OpsConvert.cpp
std::span<const NamedRule> moveRules();      // OpsMove.cpp
std::span<const NamedRule> memoryRules();    // OpsMemory.cpp
std::span<const NamedRule> atomicRules();    // OpsAtomic.cpp
std::span<const NamedRule> asyncRules();     // OpsAsync.cpp
std::span<const NamedRule> matrixRules();    // OpsMatrix.cpp
std::span<const NamedRule> warpRules();      // OpsWarp.cpp

} // namespace hb::ptx
