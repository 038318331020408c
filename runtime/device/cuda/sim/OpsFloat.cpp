// float and double arithmetic.
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

#include <cfenv>
#include <limits>

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

template <class T, bool Ftz> inline T in(T x) {
  if constexpr (std::is_same_v<T, float>)
    return flushed<Ftz>(x);
  else
    return x;
}
template <class T, bool Ftz> inline T out(T x) { return in<T, Ftz>(canonical(x)); }
/// .sat: into [0, 1], NaN to +0.
template <class T> inline T saturated(T x) { return x > T(0) ? x < T(1) ? x : T(1) : T(0); }

enum class Ends : uint8_t { Plain, Flush, Saturate, FlushSaturate };
template <class T, Ends E, class R> inline T finish(R value) {
  constexpr bool flush = E == Ends::Flush || E == Ends::FlushSaturate, saturate = E == Ends::Saturate || E == Ends::FlushSaturate;
  T x = out<T, flush>(value);
  return saturate ? saturated(x) : x;
}
template <class T, Ends E> inline T start(T x) { return in<T, E == Ends::Flush || E == Ends::FlushSaturate>(x); }

constexpr auto kAdd = [](auto a, auto b) { return a + b; };
constexpr auto kSub = [](auto a, auto b) { return a - b; };
constexpr auto kMul = [](auto a, auto b) { return a * b; };
constexpr auto kDiv = [](auto a, auto b) { return a / b; };
constexpr auto kFma = [](auto a, auto b, auto c) { return sizeof(a) == 4 ? __builtin_fmaf(a, b, c) : __builtin_fma(a, b, c); };
constexpr auto kSqrt = [](auto a) { return sizeof(a) == 4 ? __builtin_sqrtf(a) : __builtin_sqrt(a); };
constexpr auto kRcp = [](auto a) { return decltype(a)(1) / a; };
/// div.approx.f32 of a divisor between 2^126 and 2^128 is 0 (NaN for an infinite dividend), as the PTX ISA says.
constexpr auto kDivApprox = [](float a, float b) {
  bool large = std::fabs(b) > 0x1p126f && std::fabs(b) <= std::numeric_limits<float>::max();
  float q = a / b;
  return large ? std::fabs(a) == std::numeric_limits<float>::infinity() ? std::numeric_limits<float>::quiet_NaN() : std::copysign(0.0f, q) : q;
};

template <class T, Ends E, auto F> void one(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const Slot<T> *a = warp.slot<Slot<T>>(i.operand[1]);
  assign<T>(warp, i.operand[0], mask, [=](unsigned l) { return finish<T, E>(F(start<T, E>(get<T>(a[l])))); });
}
template <class T, Ends E, auto F> void two(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const Slot<T> *a = warp.slot<Slot<T>>(i.operand[1]), *b = warp.slot<Slot<T>>(i.operand[2]);
  assign<T>(warp, i.operand[0], mask, [=](unsigned l) { return finish<T, E>(F(start<T, E>(get<T>(a[l])), start<T, E>(get<T>(b[l])))); });
}
template <class T, Ends E, auto F> void three(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const Slot<T> *a = warp.slot<Slot<T>>(i.operand[1]), *b = warp.slot<Slot<T>>(i.operand[2]), *c = warp.slot<Slot<T>>(i.operand[3]);
  assign<T>(warp, i.operand[0], mask, [=](unsigned l) { return finish<T, E>(F(start<T, E>(get<T>(a[l])), start<T, E>(get<T>(b[l])), start<T, E>(get<T>(c[l])))); });
}

/// The same operation in another rounding mode of the host.
void inRoundingMode(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask) {
  constexpr int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
  std::fesetround(modes[i.mode]);
  i.inner(worker, warp, i, mask);
  std::fesetround(FE_TONEAREST);
}

void applyRounding(const Statement &s, Instruction &i) {
  i.mode = s.has("rz") ? 1 : s.has("rm") ? 2 : s.has("rp") ? 3 : 0;
  if (i.mode) {
    i.inner = i.run;
    i.run = inRoundingMode;
  }
}

Ends endsOf(const Statement &s) { return s.has("ftz") ? s.has("sat") ? Ends::FlushSaturate : Ends::Flush : s.has("sat") ? Ends::Saturate : Ends::Plain; }

#define HB_PICK(SHAPE, F)                                                                                                                                                    \
  (t.bits == 64 ? e == Ends::Plain ? SHAPE<double, Ends::Plain, F> : nullptr                                                                                               \
                : e == Ends::Plain ? SHAPE<float, Ends::Plain, F> : e == Ends::Flush ? SHAPE<float, Ends::Flush, F> : e == Ends::Saturate ? SHAPE<float, Ends::Saturate, F>  \
                                                                                                                     : SHAPE<float, Ends::FlushSaturate, F>)
template <auto F> Operation oneFor(Type t, Ends e) { return HB_PICK(one, F); }
template <auto F> Operation twoFor(Type t, Ends e) { return HB_PICK(two, F); }
template <auto F> Operation threeFor(Type t, Ends e) { return HB_PICK(three, F); }

bool fill(Decoder &decoder, const Statement &s, Instruction &i, unsigned bits, size_t count) {
  if (s.operands.size() != count + 1 || !i.run)
    return false;
  i.operand[0] = decoder.write(s.operands[0], bits);
  for (size_t k = 1; k <= count; ++k)
    i.operand[k] = decoder.read(s.operands[k], bits);
  applyRounding(s, i);
  return true;
}

bool isShort(const Type &t) { return t.packed || ((t.kind == Kind::Float || t.kind == Kind::BFloat) && t.bits == 16); }
bool isPlain(const Type &t) { return t.kind == Kind::Float && !t.packed && t.bits >= 32; }
bool asHalf(Decoder &decoder, const Statement &s, Instruction &i) {
  for (const NamedRule &rule : halfRules())
    if (rule.opcode == s.opcode[0])
      return rule.rule(decoder, s, i);
  return false;
}

enum class Shape : uint8_t { One, Two, Three };
template <Shape shape, auto F> bool arithmetic(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (isShort(t))
    return asHalf(decoder, s, i);
  if (!isPlain(t))
    return false;
  if constexpr (shape == Shape::One)
    i.run = oneFor<F>(t, endsOf(s));
  else if constexpr (shape == Shape::Two)
    i.run = twoFor<F>(t, endsOf(s));
  else
    i.run = threeFor<F>(t, endsOf(s));
  return fill(decoder, s, i, t.bits, 1 + static_cast<size_t>(shape));
}

bool divide(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (!isPlain(t))
    return false;
  // div.full is good to 2 ulp on the hardware; here it is rounded correctly.
  if (s.has("approx") && t.bits == 32)
    i.run = s.has("ftz") ? two<float, Ends::Flush, kDivApprox> : two<float, Ends::Plain, kDivApprox>;
  else
    i.run = twoFor<kDiv>(t, endsOf(s));
  return fill(decoder, s, i, t.bits, 2);
}

/// min and max: the number beside a NaN, unless .NaN is there; -0 is below +0; .xorsign.abs takes magnitudes and the product's sign.
template <class T, bool Max, bool Nan> inline T extreme(T a, T b) {
  T low = a < b || (a == b && std::signbit(a)) ? a : b, high = a > b || (a == b && !std::signbit(a)) ? a : b;
  T r = Max ? high : low;
  r = a == a ? b == b ? r : a : b;
  if (Nan)
    r = a == a && b == b ? r : std::numeric_limits<T>::quiet_NaN();
  return r;
}
template <bool Max, bool Nan> constexpr auto kExtreme = [](auto a, auto b) { return extreme<decltype(a), Max, Nan>(a, b); };
template <bool Max> bool minMax(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (isShort(t))
    return asHalf(decoder, s, i);
  if (!isPlain(t) || s.has("xorsign"))
    return false;
  bool three = s.operands.size() == 4;
  if (three)
    return false;
  i.run = s.has("NaN") ? twoFor<kExtreme<Max, true>>(t, endsOf(s)) : twoFor<kExtreme<Max, false>>(t, endsOf(s));
  return fill(decoder, s, i, t.bits, 2);
}

// abs and neg touch only the sign, also of NaN.
template <class T, bool Ftz, bool Abs> void sign(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const Slot<T> *a = warp.slot<Slot<T>>(i.operand[1]);
  assign<T>(warp, i.operand[0], mask, [=](unsigned l) { return Abs ? std::fabs(in<T, Ftz>(get<T>(a[l]))) : -in<T, Ftz>(get<T>(a[l])); });
}
template <bool Abs> bool signRule(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (isShort(t))
    return asHalf(decoder, s, i);
  if (!isPlain(t))
    return false;
  i.run = t.bits == 64 ? sign<double, false, Abs> : s.has("ftz") ? sign<float, true, Abs> : sign<float, false, Abs>;
  return fill(decoder, s, i, t.bits, 1);
}

/// copysign d, a, b: the sign of a on the magnitude of b.
constexpr auto kCopysign = [](auto a, auto b) { return std::copysign(b, a); };
bool copysignRule(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  i.run = t.bits == 64 ? binary<double, double, double, kCopysign> : binary<float, float, float, kCopysign>;
  return isPlain(t) && fill(decoder, s, i, t.bits, 2);
}

template <class T> void testp(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const Slot<T> *a = warp.slot<Slot<T>>(i.operand[1]);
  uint32_t bits = 0;
  for (unsigned l = 0; l < 32; ++l) {
    T x = get<T>(a[l]);
    int kind = std::fpclassify(x);
    bool holds[] = {kind != FP_INFINITE && kind != FP_NAN, kind == FP_INFINITE, kind != FP_NAN, kind == FP_NAN, kind == FP_NORMAL, kind == FP_SUBNORMAL};
    bits |= static_cast<uint32_t>(holds[i.mode]) << l;
  }
  assignPredicate(warp, i.operand[0], mask, bits);
}
bool testpRule(Decoder &decoder, const Statement &s, Instruction &i) {
  constexpr std::string_view kinds[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
  Type t = typeNamed(s.opcode.back());
  for (i.mode = 0; i.mode < std::size(kinds); ++i.mode)
    if (s.has(kinds[i.mode]))
      break;
  if (i.mode == std::size(kinds) || !isPlain(t) || s.operands.size() != 2)
    return false;
  i.run = t.bits == 64 ? testp<double> : testp<float>;
  i.operand[0] = decoder.write(s.operands[0], 1);
  i.operand[1] = decoder.read(s.operands[1], t.bits);
  return true;
}

bool reciprocal(Decoder &decoder, const Statement &s, Instruction &i) {
  if (typeNamed(s.opcode.back()).bits == 64 && s.has("ftz")) // rcp.approx.ftz.f64: a coarse seed, not modelled
    return false;
  return arithmetic<Shape::One, kRcp>(decoder, s, i);
}

const NamedRule kRules[] = {
    {"add", arithmetic<Shape::Two, kAdd>}, {"sub", arithmetic<Shape::Two, kSub>}, {"mul", arithmetic<Shape::Two, kMul>}, {"fma", arithmetic<Shape::Three, kFma>},
    {"mad", arithmetic<Shape::Three, kFma>}, {"div", divide}, {"min", minMax<false>}, {"max", minMax<true>}, {"abs", signRule<true>}, {"neg", signRule<false>},
    {"sqrt", arithmetic<Shape::One, kSqrt>}, {"rcp", reciprocal}, {"copysign", copysignRule}, {"testp", testpRule},
};

} // namespace

std::span<const NamedRule> floatRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
