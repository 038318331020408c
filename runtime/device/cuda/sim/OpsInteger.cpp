// Whole numbers and bits.
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

template <class T> using Wide = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
                                std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>, std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

constexpr auto kAdd = [](auto a, auto b) { return a + b; };
constexpr auto kSub = [](auto a, auto b) { return a - b; };
constexpr auto kMulLow = [](auto a, auto b) { return a * b; };
constexpr auto kMulHigh = [](auto a, auto b) { return static_cast<decltype(a)>((static_cast<Wide<decltype(a)>>(a) * b) >> (8 * sizeof(a))); };
constexpr auto kMadLow = [](auto a, auto b, auto c) { return a * b + c; };
constexpr auto kMadHigh = [](auto a, auto b, auto c) { return kMulHigh(a, b) + c; };
constexpr auto kMulWide = [](auto a, auto b) { return static_cast<Wide<decltype(a)>>(a) * b; };
constexpr auto kMadWide = [](auto a, auto b, auto c) { return static_cast<Wide<decltype(a)>>(a) * b + c; };
// The PTX ISA leaves division by zero open; all ones is what the hardware gives. The smallest number by -1 is itself.
constexpr auto kDiv = [](auto a, auto b) {
  using T = decltype(a);
  if (b == 0)
    return static_cast<T>(~T(0));
  if constexpr (std::is_signed_v<T>)
    if (b == T(-1))
      return static_cast<T>(T(0) - a);
  return static_cast<T>(a / b);
};
constexpr auto kRem = [](auto a, auto b) {
  using T = decltype(a);
  if (b == 0)
    return static_cast<T>(a);
  if constexpr (std::is_signed_v<T>)
    if (b == T(-1))
      return T(0);
  return static_cast<T>(a % b);
};
constexpr auto kMin = [](auto a, auto b) { return a < b ? a : b; };
constexpr auto kMax = [](auto a, auto b) { return a > b ? a : b; };
constexpr auto kAbs = [](auto a) { return a < 0 ? static_cast<decltype(a)>(0 - a) : a; };
constexpr auto kNeg = [](auto a) { return 0 - a; };
constexpr auto kAnd = [](auto a, auto b) { return a & b; };
constexpr auto kOr = [](auto a, auto b) { return a | b; };
constexpr auto kXor = [](auto a, auto b) { return a ^ b; };
constexpr auto kNot = [](auto a) { return ~a; };
constexpr auto kCnot = [](auto a) { return a == 0 ? 1 : 0; };
// Shifts by the width or more give zero, or the sign.
constexpr auto kShl = [](auto a, uint32_t n) { return n < 8 * sizeof(a) ? static_cast<decltype(a)>(a << n) : decltype(a)(0); };
constexpr auto kShr = [](auto a, uint32_t n) { return static_cast<decltype(a)>(a >> (n < 8 * sizeof(a) ? n : 8 * sizeof(a) - 1) >> (n < 8 * sizeof(a) || std::is_signed_v<decltype(a)> ? 0 : 1)); };
constexpr auto kPopc = [](auto a) { return static_cast<uint32_t>(std::popcount(a)); };
constexpr auto kClz = [](auto a) { return static_cast<uint32_t>(std::countl_zero(a)); };
constexpr auto kBrev = [](auto a) {
  decltype(a) r = 0;
  for (unsigned i = 0; i < 8 * sizeof(a); ++i)
    r |= static_cast<decltype(a)>((a >> i & 1)) << (8 * sizeof(a) - 1 - i);
  return r;
};
constexpr auto kBfind = [](auto a) {
  using U = std::make_unsigned_t<decltype(a)>;
  U value = static_cast<U>(a);
  if constexpr (std::is_signed_v<decltype(a)>)
    value = a < 0 ? static_cast<U>(~a) : value;
  return value ? static_cast<uint32_t>(8 * sizeof(a) - 1 - std::countl_zero(value)) : 0xFFFFFFFFu;
};
constexpr auto kBfe = [](auto a, uint32_t from, uint32_t length) {
  using T = decltype(a);
  from &= 255, length &= 255;
  constexpr uint32_t bits = 8 * sizeof(T);
  T sign = 0;
  if constexpr (std::is_signed_v<T>)
    if (length)
      sign = (a >> std::min(from + length - 1, bits - 1) & 1) ? T(-1) : T(0);
  std::make_unsigned_t<T> u = from < bits ? static_cast<std::make_unsigned_t<T>>(a) >> from : 0;
  uint32_t have = from < bits ? bits - from : 0, take = std::min(length, bits);
  if (take < bits)
    u &= (std::make_unsigned_t<T>(1) << take) - 1;
  uint32_t filled = std::min(take, have);
  if (filled < bits) // bits of the field beyond the value, and above the field, are the sign
    u |= static_cast<std::make_unsigned_t<T>>(sign) << filled;
  return length ? static_cast<T>(u) : T(0);
};
constexpr auto kPrmt = [](uint32_t a, uint32_t b, uint32_t selector) {
  uint64_t bytes = a | uint64_t(b) << 32;
  uint32_t result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    uint32_t nibble = selector >> (4 * i) & 15, byte = static_cast<uint32_t>(bytes >> (8 * (nibble & 7))) & 255;
    result |= (nibble & 8 ? (byte & 128 ? 255u : 0u) : byte) << (8 * i);
  }
  return result;
};
constexpr auto kShfLeftWrap = [](uint32_t a, uint32_t b, uint32_t n) { return static_cast<uint32_t>(((uint64_t(b) << 32 | a) << (n & 31)) >> 32); };
constexpr auto kShfRightWrap = [](uint32_t a, uint32_t b, uint32_t n) { return static_cast<uint32_t>((uint64_t(b) << 32 | a) >> (n & 31)); };
constexpr auto kShfLeftClamp = [](uint32_t a, uint32_t b, uint32_t n) { return static_cast<uint32_t>(((uint64_t(b) << 32 | a) << std::min(n, 32u)) >> 32); };
constexpr auto kShfRightClamp = [](uint32_t a, uint32_t b, uint32_t n) { return static_cast<uint32_t>((uint64_t(b) << 32 | a) >> std::min(n, 32u)); };
constexpr auto kSad = [](auto a, auto b, auto c) { return (a > b ? a - b : b - a) + c; };

/// lop3: bit i of the table is the result for the inputs whose bits form i.
void lop3(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const uint32_t *a = warp.slot<uint32_t>(i.operand[1]), *b = warp.slot<uint32_t>(i.operand[2]), *c = warp.slot<uint32_t>(i.operand[3]);
  uint32_t table = i.mode;
  assign<uint32_t>(warp, i.operand[0], mask, [=](unsigned l) {
    uint32_t r = 0;
    for (unsigned k = 0; k < 8; ++k)
      r |= (table >> k & 1 ? ~0u : 0u) & (k & 4 ? a[l] : ~a[l]) & (k & 2 ? b[l] : ~b[l]) & (k & 1 ? c[l] : ~c[l]);
    return r;
  });
}

template <class T> void bfi(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const T *a = warp.slot<T>(i.operand[1]), *b = warp.slot<T>(i.operand[2]);
  const uint32_t *from = warp.slot<uint32_t>(i.operand[3]), *length = warp.slot<uint32_t>(i.operand[4]);
  assign<T>(warp, i.operand[0], mask, [=](unsigned l) {
    constexpr uint32_t bits = 8 * sizeof(T);
    uint32_t p = from[l] & 255, n = length[l] & 255;
    T field = (n >= bits ? ~T(0) : (T(1) << n) - 1);
    field = p < bits ? field << p : 0;
    T moved = p < bits ? a[l] << p : 0;
    return static_cast<T>((b[l] & ~field) | (moved & field));
  });
}

enum class Carry : uint8_t { Add, Sub };
/// add.cc, addc{.cc}, sub.cc, subc{.cc}: the carry of each lane is a predicate of the entry's own (operand 3).
template <class T, Carry kind, bool In, bool Out> void withCarry(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const T *a = warp.slot<T>(i.operand[1]), *b = warp.slot<T>(i.operand[2]);
  T *d = warp.slot<T>(i.operand[0]);
  uint32_t carry = warp.word(i.operand[3]), out = 0;
  for (unsigned l = 0; l < 32; ++l) {
    if (!(mask >> l & 1))
      continue;
    unsigned __int128 in = In ? carry >> l & 1 : 0;
    unsigned __int128 sum = kind == Carry::Add ? (unsigned __int128)a[l] + b[l] + in : (unsigned __int128)a[l] - b[l] - in;
    d[l] = static_cast<T>(sum);
    out |= static_cast<uint32_t>(sum >> (8 * sizeof(T)) & 1) << l;
  }
  if (Out)
    assignPredicate(warp, i.operand[3], mask, out);
}

unsigned byType(const Type &type) { return type.bits * 2 + (type.isSigned() ? 1 : 0); }

template <auto F> Operation binaryFor(const Type &t) {
  switch (byType(t)) {
  case 32: return binary<uint16_t, uint16_t, uint16_t, F>;
  case 33: return binary<int16_t, int16_t, int16_t, F>;
  case 64: return binary<uint32_t, uint32_t, uint32_t, F>;
  case 65: return binary<int32_t, int32_t, int32_t, F>;
  case 128: return binary<uint64_t, uint64_t, uint64_t, F>;
  case 129: return binary<int64_t, int64_t, int64_t, F>;
  default: return nullptr;
  }
}
template <auto F> Operation ternaryFor(const Type &t) {
  switch (byType(t)) {
  case 32: return ternary<uint16_t, uint16_t, uint16_t, uint16_t, F>;
  case 33: return ternary<int16_t, int16_t, int16_t, int16_t, F>;
  case 64: return ternary<uint32_t, uint32_t, uint32_t, uint32_t, F>;
  case 65: return ternary<int32_t, int32_t, int32_t, int32_t, F>;
  case 128: return ternary<uint64_t, uint64_t, uint64_t, uint64_t, F>;
  case 129: return ternary<int64_t, int64_t, int64_t, int64_t, F>;
  default: return nullptr;
  }
}
template <auto F> Operation unaryFor(const Type &t) {
  switch (byType(t)) {
  case 32: return unary<uint16_t, uint16_t, F>;
  case 33: return unary<int16_t, int16_t, F>;
  case 64: return unary<uint32_t, uint32_t, F>;
  case 65: return unary<int32_t, int32_t, F>;
  case 128: return unary<uint64_t, uint64_t, F>;
  case 129: return unary<int64_t, int64_t, F>;
  default: return nullptr;
  }
}
template <auto F> Operation countFor(const Type &t) {
  return byType(t) == 64 ? unary<uint32_t, uint32_t, F> : byType(t) == 65 ? unary<uint32_t, int32_t, F> : byType(t) == 128 ? unary<uint32_t, uint64_t, F> : byType(t) == 129 ? unary<uint32_t, int64_t, F> : nullptr;
}
template <auto F> Operation bitCountFor(const Type &t) { return t.bits == 64 ? unary<uint32_t, uint64_t, F> : t.bits == 32 ? unary<uint32_t, uint32_t, F> : nullptr; }
template <auto F> Operation wideFor(const Type &t) {
  switch (byType(t)) {
  case 32: return binary<uint32_t, uint16_t, uint16_t, F>;
  case 33: return binary<int32_t, int16_t, int16_t, F>;
  case 64: return binary<uint64_t, uint32_t, uint32_t, F>;
  case 65: return binary<int64_t, int32_t, int32_t, F>;
  default: return nullptr;
  }
}
template <auto F> Operation madWideFor(const Type &t) {
  switch (byType(t)) {
  case 32: return ternary<uint32_t, uint16_t, uint16_t, uint32_t, F>;
  case 33: return ternary<int32_t, int16_t, int16_t, int32_t, F>;
  case 64: return ternary<uint64_t, uint32_t, uint32_t, uint64_t, F>;
  case 65: return ternary<int64_t, int32_t, int32_t, int64_t, F>;
  default: return nullptr;
  }
}
template <auto F> Operation shiftFor(const Type &t) {
  switch (byType(t)) {
  case 32: return binary<uint16_t, uint16_t, uint32_t, F>;
  case 33: return binary<int16_t, int16_t, uint32_t, F>;
  case 64: return binary<uint32_t, uint32_t, uint32_t, F>;
  case 65: return binary<int32_t, int32_t, uint32_t, F>;
  case 128: return binary<uint64_t, uint64_t, uint32_t, F>;
  case 129: return binary<int64_t, int64_t, uint32_t, F>;
  default: return nullptr;
  }
}
template <auto F> Operation bfeFor(const Type &t) {
  switch (byType(t)) {
  case 64: return ternary<uint32_t, uint32_t, uint32_t, uint32_t, F>;
  case 65: return ternary<int32_t, int32_t, uint32_t, uint32_t, F>;
  case 128: return ternary<uint64_t, uint64_t, uint32_t, uint32_t, F>;
  case 129: return ternary<int64_t, int64_t, uint32_t, uint32_t, F>;
  default: return nullptr;
  }
}

/// Result and operands of the type's width; the last `narrow` operands are 32 bits wide whatever the type.
bool fill(Decoder &decoder, const Statement &s, Instruction &i, unsigned resultBits, unsigned bits, size_t count, size_t narrow = 0) {
  if (s.operands.size() != count + 1)
    return false;
  i.operand[0] = decoder.write(s.operands[0], resultBits);
  for (size_t k = 1; k <= count; ++k)
    i.operand[k] = decoder.read(s.operands[k], k + narrow > count ? 32 : bits);
  return i.run != nullptr;
}

Type typeOf(const Statement &s) { return typeNamed(s.opcode.back()); }

bool addSub(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  if (!t.isInteger())
    return false;
  bool add = s.opcode[0].substr(0, 3) == "add", in = s.opcode[0].back() == 'c', out = s.has("cc");
  if (t.packed || s.has("sat"))
    return false;
  if (in || out) {
    if (t.bits != 32 && t.bits != 64)
      return false;
    bool wide = t.bits == 64;
    auto pick = [&]<class T>(T) -> Operation {
      if (add)
        return in ? out ? withCarry<T, Carry::Add, true, true> : withCarry<T, Carry::Add, true, false> : withCarry<T, Carry::Add, false, true>;
      return in ? out ? withCarry<T, Carry::Sub, true, true> : withCarry<T, Carry::Sub, true, false> : withCarry<T, Carry::Sub, false, true>;
    };
    i.run = wide ? pick(uint64_t{}) : pick(uint32_t{});
    i.operand[3] = decoder.carry();
    return fill(decoder, s, i, t.bits, t.bits, 2);
  }
  i.run = add ? binaryFor<kAdd>(t) : binaryFor<kSub>(t);
  return fill(decoder, s, i, t.bits, t.bits, 2);
}

bool mul(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  if (!t.isInteger())
    return false;
  if (s.has("wide")) {
    i.run = wideFor<kMulWide>(t);
    return fill(decoder, s, i, t.bits * 2, t.bits, 2);
  }
  i.run = s.has("hi") ? binaryFor<kMulHigh>(t) : s.has("lo") ? binaryFor<kMulLow>(t) : nullptr;
  return fill(decoder, s, i, t.bits, t.bits, 2);
}

bool mad(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  if (!t.isInteger() || s.has("sat") || s.operands.size() != 4)
    return false;
  if (s.has("wide")) {
    i.run = madWideFor<kMadWide>(t);
    i.operand[3] = decoder.read(s.operands[3], t.bits * 2);
    i.operand[0] = decoder.write(s.operands[0], t.bits * 2);
    i.operand[1] = decoder.read(s.operands[1], t.bits);
    i.operand[2] = decoder.read(s.operands[2], t.bits);
    return i.run != nullptr;
  }
  i.run = s.has("hi") ? ternaryFor<kMadHigh>(t) : s.has("lo") ? ternaryFor<kMadLow>(t) : nullptr;
  return fill(decoder, s, i, t.bits, t.bits, 3);
}

template <auto F> bool twoOperands(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  if (!t.isInteger() || t.packed)
    return false;
  i.run = binaryFor<F>(t);
  return fill(decoder, s, i, t.bits, t.bits, 2);
}
template <auto F> bool oneOperand(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  if (!t.isInteger() || t.packed)
    return false;
  i.run = unaryFor<F>(t);
  return fill(decoder, s, i, t.bits, t.bits, 1);
}
template <auto F> bool count(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  i.run = bitCountFor<F>(t);
  return fill(decoder, s, i, 32, t.bits, 1);
}
bool bfind(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  i.run = s.has("shiftamt") ? nullptr : countFor<kBfind>(t);
  return fill(decoder, s, i, 32, t.bits, 1);
}
bool brev(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  i.run = t.bits == 64 ? unary<uint64_t, uint64_t, kBrev> : t.bits == 32 ? unary<uint32_t, uint32_t, kBrev> : nullptr;
  return fill(decoder, s, i, t.bits, t.bits, 1);
}
template <auto F> bool shift(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  i.run = shiftFor<F>(t);
  return fill(decoder, s, i, t.bits, t.bits, 2, 1);
}
bool bfe(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  i.run = bfeFor<kBfe>(t);
  return fill(decoder, s, i, t.bits, t.bits, 3, 2);
}
bool bfiRule(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  i.run = t.bits == 64 ? bfi<uint64_t> : bfi<uint32_t>;
  return fill(decoder, s, i, t.bits, t.bits, 4, 2);
}
bool prmt(Decoder &decoder, const Statement &s, Instruction &i) {
  i.run = s.opcode.size() == 2 ? ternary<uint32_t, uint32_t, uint32_t, uint32_t, kPrmt> : nullptr;
  return fill(decoder, s, i, 32, 32, 3);
}
bool shf(Decoder &decoder, const Statement &s, Instruction &i) {
  bool left = s.has("l"), clamp = s.has("clamp");
  i.run = left ? clamp ? ternary<uint32_t, uint32_t, uint32_t, uint32_t, kShfLeftClamp> : ternary<uint32_t, uint32_t, uint32_t, uint32_t, kShfLeftWrap>
               : clamp ? ternary<uint32_t, uint32_t, uint32_t, uint32_t, kShfRightClamp> : ternary<uint32_t, uint32_t, uint32_t, uint32_t, kShfRightWrap>;
  return fill(decoder, s, i, 32, 32, 3);
}
bool lop3Rule(Decoder &decoder, const Statement &s, Instruction &i) {
  if (s.operands.size() != 5 || s.operands[4].is != Operand::Is::Integer || s.opcode.size() != 2)
    return false;
  i.run = lop3;
  i.mode = static_cast<uint8_t>(s.operands[4].value);
  i.operand[0] = decoder.write(s.operands[0], 32);
  for (unsigned k = 1; k < 4; ++k)
    i.operand[k] = decoder.read(s.operands[k], 32);
  return true;
}
bool sad(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  i.run = ternaryFor<kSad>(t);
  return fill(decoder, s, i, t.bits, t.bits, 3);
}

template <auto F> void predicateLogic(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  assignPredicate(warp, i.operand[0], mask, F(warp.word(i.operand[1]), warp.word(i.operand[2])));
}
void predicateNot(Worker &, Warp &warp, const Instruction &i, uint32_t mask) { assignPredicate(warp, i.operand[0], mask, ~warp.word(i.operand[1])); }

template <auto F> bool logic(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  if (t.kind == Kind::Predicate) {
    i.run = predicateLogic<F>;
    return s.operands.size() == 3 && (i.operand[0] = decoder.write(s.operands[0], 1), i.operand[1] = decoder.read(s.operands[1], 1), i.operand[2] = decoder.read(s.operands[2], 1), true);
  }
  return t.kind == Kind::Bits && twoOperands<F>(decoder, s, i);
}
bool logicNot(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeOf(s);
  if (t.kind == Kind::Predicate) {
    i.run = predicateNot;
    return s.operands.size() == 2 && (i.operand[0] = decoder.write(s.operands[0], 1), i.operand[1] = decoder.read(s.operands[1], 1), true);
  }
  return oneOperand<kNot>(decoder, s, i);
}

/// add, sub, mul … are spelt alike for whole numbers and floats.
template <Rule Whole> bool orFloat(Decoder &decoder, const Statement &s, Instruction &i) {
  if (typeOf(s).isInteger())
    return Whole(decoder, s, i);
  for (const NamedRule &rule : floatRules())
    if (rule.opcode == s.opcode[0])
      return rule.rule(decoder, s, i);
  return false;
}

const NamedRule kRules[] = {
    {"add", orFloat<addSub>}, {"sub", orFloat<addSub>}, {"addc", addSub}, {"subc", addSub}, {"mul", orFloat<mul>}, {"mad", orFloat<mad>},
    {"div", orFloat<twoOperands<kDiv>>}, {"rem", twoOperands<kRem>}, {"min", orFloat<twoOperands<kMin>>}, {"max", orFloat<twoOperands<kMax>>},
    {"abs", orFloat<oneOperand<kAbs>>}, {"neg", orFloat<oneOperand<kNeg>>}, {"and", logic<kAnd>}, {"or", logic<kOr>}, {"xor", logic<kXor>}, {"not", logicNot},
    {"cnot", oneOperand<kCnot>}, {"shl", shift<kShl>}, {"shr", shift<kShr>}, {"popc", count<kPopc>}, {"clz", count<kClz>}, {"brev", brev}, {"bfind", bfind},
    {"bfe", bfe}, {"bfi", bfiRule}, {"prmt", prmt}, {"shf", shf}, {"lop3", lop3Rule}, {"sad", sad},
};

} // namespace

std::span<const NamedRule> integerRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
