// f16 and bf16, alone and in pairs. Sums, products and the fused product round once, to nearest even.
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

#include <limits>

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

// A float holds sums and products of two 11-bit (or 8-bit) numbers with enough room that the second rounding cannot change the first.
constexpr auto kAdd = [](float a, float b) { return a + b; };
constexpr auto kSub = [](float a, float b) { return a - b; };
constexpr auto kMul = [](float a, float b) { return a * b; };
template <bool Max, bool Nan> constexpr auto kExtreme = [](float a, float b) {
  float low = a < b || (a == b && std::signbit(a)) ? a : b, high = a > b || (a == b && !std::signbit(a)) ? a : b;
  float r = a == a ? b == b ? (Max ? high : low) : a : b;
  return Nan && !(a == a && b == b) ? std::numeric_limits<float>::quiet_NaN() : r;
};

enum Ends : uint8_t { kFlush = 1, kSaturate = 2, kRelu = 4 };

/// .ftz, .sat and .relu of a result. f16 subnormals lie below 2^-14.
template <class T> inline float finish(float x, uint8_t ends) {
  if ((ends & kFlush) && std::fabs(x) < 0x1p-14f)
    x = std::copysign(0.0f, x);
  if (ends & kSaturate)
    x = x > 0 ? x < 1 ? x : 1.0f : 0.0f;
  if (ends & kRelu)
    x = x == x ? x > 0 ? x : 0.0f : x;
  return x;
}
template <class T> inline float start(T x, uint8_t ends) {
  float f = toFloat(x);
  return (ends & kFlush) && std::fabs(f) < 0x1p-14f ? std::copysign(0.0f, f) : f;
}

template <class T, auto F> inline uint32_t apply(uint32_t a, uint32_t b, uint8_t ends) {
  T x{static_cast<uint16_t>(a)}, y{static_cast<uint16_t>(b)};
  return fromFloat<T>(finish<T>(toFloat(fromFloat<T>(F(start(x, ends), start(y, ends)))), ends)).bits;
}
template <class T, bool Pair, auto F> void two(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const uint32_t *a = warp.slot<uint32_t>(i.operand[1]), *b = warp.slot<uint32_t>(i.operand[2]);
  uint8_t ends = i.mode;
  assign<uint32_t>(warp, i.operand[0], mask, [=](unsigned l) {
    uint32_t low = apply<T, F>(a[l] & 0xFFFF, b[l] & 0xFFFF, ends);
    return Pair ? low | apply<T, F>(a[l] >> 16, b[l] >> 16, ends) << 16 : low;
  });
}

inline Half shortOf(double x, Half) { return halfOf(x); }
inline BHalf shortOf(double x, BHalf) { return bhalfOf(x); }
template <class T> inline uint32_t fused(uint32_t a, uint32_t b, uint32_t c, uint8_t ends) {
  T x{static_cast<uint16_t>(a)}, y{static_cast<uint16_t>(b)}, z{static_cast<uint16_t>(c)};
  double sum = fusedToOdd(start(x, ends), start(y, ends), start(z, ends));
  T r = shortOf(sum, T{});
  return ends ? fromFloat<T>(finish<T>(toFloat(r), ends)).bits : r.bits;
}
template <class T, bool Pair> void three(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const uint32_t *a = warp.slot<uint32_t>(i.operand[1]), *b = warp.slot<uint32_t>(i.operand[2]), *c = warp.slot<uint32_t>(i.operand[3]);
  uint32_t *d = warp.slot<uint32_t>(i.operand[0]);
  for (unsigned l = 0; l < 32; ++l)
    if (mask >> l & 1) {
      uint32_t low = fused<T>(a[l] & 0xFFFF, b[l] & 0xFFFF, c[l] & 0xFFFF, i.mode);
      d[l] = Pair ? low | fused<T>(a[l] >> 16, b[l] >> 16, c[l] >> 16, i.mode) << 16 : low;
    }
}

constexpr auto kNegPair = [](uint32_t a) { return a ^ 0x80008000u; };
constexpr auto kAbsPair = [](uint32_t a) { return a & 0x7FFF7FFFu; };

uint8_t endsOf(const Statement &s) { return (s.has("ftz") ? kFlush : 0) | (s.has("sat") ? kSaturate : 0) | (s.has("relu") ? kRelu : 0); }

bool fill(Decoder &decoder, const Statement &s, Instruction &i, size_t count) {
  if (s.operands.size() != count + 1 || !i.run || s.has("rz") || s.has("rm") || s.has("rp"))
    return false;
  i.mode = endsOf(s);
  i.operand[0] = decoder.write(s.operands[0], 32);
  for (size_t k = 1; k <= count; ++k)
    i.operand[k] = decoder.read(s.operands[k], 32);
  return true;
}

template <auto F> bool arithmetic(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (t.kind == Kind::Float)
    i.run = t.packed ? two<Half, true, F> : two<Half, false, F>;
  else if (t.kind == Kind::BFloat)
    i.run = t.packed ? two<BHalf, true, F> : two<BHalf, false, F>;
  return fill(decoder, s, i, 2);
}
bool fma(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (t.kind == Kind::Float)
    i.run = t.packed ? three<Half, true> : three<Half, false>;
  else if (t.kind == Kind::BFloat)
    i.run = t.packed ? three<BHalf, true> : three<BHalf, false>;
  return fill(decoder, s, i, 3);
}
template <bool Max> bool minMax(Decoder &decoder, const Statement &s, Instruction &i) {
  if (s.has("xorsign"))
    return false;
  return s.has("NaN") ? arithmetic<kExtreme<Max, true>>(decoder, s, i) : arithmetic<kExtreme<Max, false>>(decoder, s, i);
}
template <auto F> bool sign(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  i.run = t.kind == Kind::Float || t.kind == Kind::BFloat ? unary<uint32_t, uint32_t, F> : nullptr;
  return !s.has("ftz") && fill(decoder, s, i, 1);
}

const NamedRule kRules[] = {{"add", arithmetic<kAdd>}, {"sub", arithmetic<kSub>}, {"mul", arithmetic<kMul>}, {"fma", fma},
                            {"min", minMax<false>},    {"max", minMax<true>},     {"neg", sign<kNegPair>},   {"abs", sign<kAbsPair>}};

} // namespace

std::span<const NamedRule> halfRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
