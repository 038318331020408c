// setp, set, selp, slct.
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

constexpr auto kEq = [](auto a, auto b) { return a == b; };
constexpr auto kNe = [](auto a, auto b) { return (a < b) | (a > b); }; // ordered
constexpr auto kLt = [](auto a, auto b) { return a < b; };
constexpr auto kLe = [](auto a, auto b) { return a <= b; };
constexpr auto kGt = [](auto a, auto b) { return a > b; };
constexpr auto kGe = [](auto a, auto b) { return a >= b; };
constexpr auto kEqu = [](auto a, auto b) { return !((a < b) | (a > b)); };
constexpr auto kNeu = [](auto a, auto b) { return a != b; };
constexpr auto kLtu = [](auto a, auto b) { return !(a >= b); };
constexpr auto kLeu = [](auto a, auto b) { return !(a > b); };
constexpr auto kGtu = [](auto a, auto b) { return !(a <= b); };
constexpr auto kGeu = [](auto a, auto b) { return !(a < b); };
constexpr auto kNum = [](auto a, auto b) { return (a == a) & (b == b); };
constexpr auto kNan = [](auto a, auto b) { return (a != a) | (b != b); };

using Test = uint32_t (*)(Warp &, const Instruction &);
/// A comparison of operands 2 and 3 of the instruction; of halves through float.
template <class T, auto F> uint32_t test(Warp &warp, const Instruction &i) { return holds<T, T, F>(warp, i, 2); }
template <class T, auto F> uint32_t testShort(Warp &warp, const Instruction &i) {
  return holds<T, T, [](T a, T b) { return F(toFloat(a), toFloat(b)); }>(warp, i, 2);
}
template <auto F> uint32_t testFlushed(Warp &warp, const Instruction &i) {
  return holds<float, float, [](float a, float b) { return F(flushed<true>(a), flushed<true>(b)); }>(warp, i, 2);
}

template <auto F> Test testFor(const Type &t, bool ftz) {
  switch (t.kind) {
  case Kind::Float: return t.bits == 64 ? test<double, F> : t.bits == 16 ? testShort<Half, F> : ftz ? testFlushed<F> : test<float, F>;
  case Kind::BFloat: return testShort<BHalf, F>;
  case Kind::Signed: return t.bits == 64 ? test<int64_t, F> : t.bits == 32 ? test<int32_t, F> : test<int16_t, F>;
  default: return t.bits == 64 ? test<uint64_t, F> : t.bits == 32 ? test<uint32_t, F> : test<uint16_t, F>;
  }
}
struct Comparison { std::string_view name; Test (*of)(const Type &, bool); bool unsignedOnly = false; };
const Comparison kComparisons[] = {{"eq", testFor<kEq>}, {"ne", testFor<kNe>}, {"lt", testFor<kLt>}, {"le", testFor<kLe>}, {"gt", testFor<kGt>}, {"ge", testFor<kGe>},
                                   {"equ", testFor<kEqu>}, {"neu", testFor<kNeu>}, {"ltu", testFor<kLtu>}, {"leu", testFor<kLeu>}, {"gtu", testFor<kGtu>}, {"geu", testFor<kGeu>},
                                   {"num", testFor<kNum>}, {"nan", testFor<kNan>}, {"lo", testFor<kLt>, true}, {"ls", testFor<kLe>, true}, {"hi", testFor<kGt>, true}, {"hs", testFor<kGe>, true}};

enum Combine : uint8_t { kAlone, kAnd, kOr, kXor };
uint32_t combined(uint8_t how, uint32_t a, uint32_t b) { return how == kAnd ? a & b : how == kOr ? a | b : how == kXor ? a ^ b : a; }

/// setp: operand 0 the result, 1 its opposite or kNone, 4 the predicate to combine with. `count` says that this one is negated.
void setp(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  uint32_t result = i.test(warp, i), with = i.mode ? warp.word(i.operand[4]) ^ (i.count ? kAllLanes : 0) : 0;
  assignPredicate(warp, i.operand[0], mask, combined(i.mode, result, with));
  if (i.operand[1] != kNone)
    assignPredicate(warp, i.operand[1], mask, combined(i.mode, ~result, with));
}
template <bool Float> void set(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  uint32_t result = combined(i.mode, i.test(warp, i), i.mode ? warp.word(i.operand[4]) ^ (i.count ? kAllLanes : 0) : 0);
  uint32_t yes = Float ? std::bit_cast<uint32_t>(1.0f) : kAllLanes;
  assign<uint32_t>(warp, i.operand[0], mask, [=](unsigned l) { return result >> l & 1 ? yes : 0u; });
}

bool compare(Decoder &decoder, const Statement &s, Instruction &i, size_t first) {
  Type t = typeNamed(s.opcode.back());
  if (t.kind == Kind::None || t.packed || t.kind == Kind::Predicate)
    return false;
  for (const Comparison &comparison : kComparisons)
    if (s.has(comparison.name)) {
      if (comparison.unsignedOnly && t.isSigned())
        return false;
      i.test = comparison.of(t, s.has("ftz"));
    }
  i.mode = s.has("and") ? kAnd : s.has("or") ? kOr : s.has("xor") ? kXor : kAlone;
  if (!i.test || s.operands.size() != first + 2 + (i.mode ? 1 : 0))
    return false;
  i.operand[2] = decoder.read(s.operands[first], t.bits);
  i.operand[3] = decoder.read(s.operands[first + 1], t.bits);
  if (i.mode) {
    Operand with = s.operands[first + 2];
    i.count = with.negated;
    with.negated = false;
    i.operand[4] = decoder.read(with, 1);
  }
  return true;
}

bool setpRule(Decoder &decoder, const Statement &s, Instruction &i) {
  if (s.operands.empty() || !compare(decoder, s, i, 1))
    return false;
  i.run = setp;
  auto results = Decoder::elements(s.operands[0]);
  i.operand[0] = decoder.write(results[0], 1);
  i.operand[1] = results.size() > 1 ? decoder.write(results[1], 1) : kNone;
  return true;
}
bool setRule(Decoder &decoder, const Statement &s, Instruction &i) {
  Type result = s.opcode.size() >= 3 ? typeNamed(s.opcode[s.opcode.size() - 2]) : Type{};
  if (result.bits != 32 || result.packed || s.operands.empty() || !compare(decoder, s, i, 1))
    return false;
  i.run = result.kind == Kind::Float ? set<true> : set<false>;
  i.operand[0] = decoder.write(s.operands[0], 32);
  return true;
}

template <class T> void selp(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const T *a = warp.slot<T>(i.operand[1]), *b = warp.slot<T>(i.operand[2]);
  uint32_t which = warp.word(i.operand[3]);
  assign<T>(warp, i.operand[0], mask, [=](unsigned l) { return which >> l & 1 ? a[l] : b[l]; });
}
bool selpRule(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (s.operands.size() != 4 || t.kind == Kind::None)
    return false;
  if (t.kind == Kind::Predicate)
    return false;
  i.run = t.bits == 64 ? selp<uint64_t> : selp<uint32_t>;
  i.operand[0] = decoder.write(s.operands[0], t.bits);
  i.operand[1] = decoder.read(s.operands[1], t.bits);
  i.operand[2] = decoder.read(s.operands[2], t.bits);
  Operand which = s.operands[3];
  if (which.negated)
    std::swap(i.operand[1], i.operand[2]);
  which.negated = false;
  i.operand[3] = decoder.read(which, 1);
  return true;
}

/// slct d, a, b, c: a where c >= 0.
template <class T, class C> void slct(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const T *a = warp.slot<T>(i.operand[1]), *b = warp.slot<T>(i.operand[2]);
  const uint32_t *c = warp.slot<uint32_t>(i.operand[3]);
  assign<T>(warp, i.operand[0], mask, [=](unsigned l) { return get<C>(c[l]) >= 0 ? a[l] : b[l]; });
}
bool slctRule(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = s.opcode.size() >= 3 ? typeNamed(s.opcode[s.opcode.size() - 2]) : Type{}, c = typeNamed(s.opcode.back());
  if (t.bits < 32 || c.bits != 32 || s.operands.size() != 4)
    return false;
  bool wide = t.bits == 64, real = c.kind == Kind::Float;
  i.run = wide ? real ? slct<uint64_t, float> : slct<uint64_t, int32_t> : real ? slct<uint32_t, float> : slct<uint32_t, int32_t>;
  for (unsigned k = 0; k < 3; ++k)
    i.operand[k] = k ? decoder.read(s.operands[k], t.bits) : decoder.write(s.operands[k], t.bits);
  i.operand[3] = decoder.read(s.operands[3], 32);
  return true;
}

const NamedRule kRules[] = {{"setp", setpRule}, {"set", setRule}, {"selp", selpRule}, {"slct", slctRule}};

} // namespace

std::span<const NamedRule> compareRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
