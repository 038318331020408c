// PTX as the parser leaves it: names resolved, nothing decoded yet.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hb::ptx {

enum class Space : uint8_t { Generic, Param, Shared, Global, Const, Local, Register };

/// A fundamental type: its letter(s) and its width. `pred` has width 1.
enum class Kind : uint8_t { None, Bits, Unsigned, Signed, Float, BFloat, Tensor32, Predicate };
struct Type {
  Kind kind = Kind::None;
  uint16_t bits = 0;
  bool packed = false; ///< f16x2, bf16x2: `bits` is 32
  bool operator==(const Type &) const = default;
  unsigned bytes() const { return bits / 8; }
  bool isSigned() const { return kind == Kind::Signed; }
  bool isInteger() const { return kind == Kind::Bits || kind == Kind::Unsigned || kind == Kind::Signed; }
};
/// The type a modifier names ("f32", "s16", "bf16x2", "pred"), or Kind::None.
Type typeNamed(std::string_view modifier);

enum class Special : uint8_t { TidX, TidY, TidZ, NtidX, NtidY, NtidZ, CtaX, CtaY, CtaZ, NctaX, NctaY, NctaZ, Lane, Warp, Warps, MaskEq, MaskLt, MaskLe, MaskGt, MaskGe,
                               DynamicShared, TotalShared, Clock, Zero, Count };

/// A variable of a module or of a function. Where it lies is decided when an entry is put together.
struct Variable {
  std::string name;
  Space space = Space::Global;
  uint32_t alignment = 1;
  uint64_t bytes = 0;
  bool external = false;  ///< .extern .shared x[]: the dynamic part
  std::vector<std::byte> initial;
  struct Reference { uint64_t at; uint32_t variable; int64_t addend; };
  std::vector<Reference> references; ///< 8-byte addresses of module variables inside `initial`
};

struct Operand {
  enum class Is : uint8_t { Register, Integer, FloatBits, Special, Label, ModuleVariable, LocalVariable, Function, Address, Vector, Pair, Blank, List } is = Is::Blank;
  bool negated = false;           ///< !%p, or - before a register
  uint32_t index = 0;             ///< of the register, label, variable or function
  int64_t value = 0;              ///< the number, the special register, or the byte offset of an address
  std::vector<Operand> elements;  ///< of a vector, a pair a|b, an address (its base) or a list in parentheses
};

/// `opcode` holds the parts between dots: {"ld", "global", "nc", "v4", "f32"}.
struct Statement {
  uint32_t line = 0;
  std::string_view text;
  std::vector<std::string_view> opcode; ///< empty: a label stands here
  std::vector<Operand> operands;
  int64_t guard = -1; ///< register of @%p
  bool guardNegated = false;
  uint32_t label = 0;
  bool has(std::string_view modifier) const;
};

struct Function {
  std::string name;
  bool entry = false, defined = false;
  uint32_t maxThreads = 0;
  std::vector<Type> registers;
  std::vector<Variable> variables;      ///< .local, .shared and .param inside the body, and the parameters themselves
  std::vector<uint32_t> parameters, results; ///< indices into `variables`; a .reg parameter of a function is a register index with the top bit set
  std::vector<Statement> body;
  uint32_t labels = 0;
  std::map<uint32_t, std::vector<uint32_t>> branchTargets; ///< label of a .branchtargets list -> labels
};
constexpr uint32_t kRegisterParameter = 0x80000000u;

struct Syntax {
  std::string text; ///< what every string_view above points into
  std::vector<Variable> variables;
  std::vector<Function> functions;
};

} // namespace hb::ptx
