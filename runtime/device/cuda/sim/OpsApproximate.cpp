// The approximate functions: ex2, lg2, sin, cos, tanh, rsqrt. The PTX ISA bounds their errors and leaves the bits open; here each is
// the exact value rounded to the result's format, as nearly as doubles give it.
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

#include <limits>

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

/// 2^x in double by the Taylor series of e^(f ln 2), |f| <= 1/2: the rest after the 13th power is below 1e-17. Vectorises, which libm's does not.
inline float exp2Of(float value) {
  double x = value == value ? value : 0.0f;
  x = x < -160.0 ? -160.0 : x > 130.0 ? 130.0 : x;
  double whole = __builtin_rint(x), t = (x - whole) * 0.693147180559945309417232;
  double p = 1.0 / 6227020800.0;
  for (double k : {1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0})
    p = p * t + k;
  int32_t exponent = static_cast<int32_t>(whole);
  double scale = std::bit_cast<double>(static_cast<uint64_t>(static_cast<int64_t>(exponent) + 1023) << 52);
  float r = static_cast<float>(p * scale);
  return value == value ? r : value;
}

constexpr auto kEx2 = [](float x) { return exp2Of(x); };
constexpr auto kLg2 = [](float x) { return static_cast<float>(std::log2(static_cast<double>(x))); };
constexpr auto kSin = [](float x) { return static_cast<float>(std::sin(static_cast<double>(x))); };
constexpr auto kCos = [](float x) { return static_cast<float>(std::cos(static_cast<double>(x))); };
constexpr auto kTanh = [](float x) { return static_cast<float>(std::tanh(static_cast<double>(x))); };
constexpr auto kRsqrt = [](float x) { return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(x))); };

template <bool Ftz, auto F> void single(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const uint32_t *a = warp.slot<uint32_t>(i.operand[1]);
  assign<float>(warp, i.operand[0], mask, [=](unsigned l) { return flushed<Ftz>(canonical(F(flushed<Ftz>(get<float>(a[l]))))); });
}
template <class T, bool Pair, auto F> void shorter(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const uint32_t *a = warp.slot<uint32_t>(i.operand[1]);
  assign<uint32_t>(warp, i.operand[0], mask, [=](unsigned l) {
    uint32_t low = fromFloat<T>(F(toFloat(T{static_cast<uint16_t>(a[l])}))).bits;
    return Pair ? low | static_cast<uint32_t>(fromFloat<T>(F(toFloat(T{static_cast<uint16_t>(a[l] >> 16)}))).bits) << 16 : low;
  });
}
void rsqrtDouble(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const uint64_t *a = warp.slot<uint64_t>(i.operand[1]);
  assign<double>(warp, i.operand[0], mask, [=](unsigned l) { return 1.0 / __builtin_sqrt(get<double>(a[l])); });
}

template <auto F> bool rule(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (s.operands.size() != 2)
    return false;
  bool rsqrt = s.opcode[0] == "rsqrt";
  if (t == Type{Kind::Float, 32})
    i.run = s.has("ftz") ? single<true, F> : single<false, F>;
  else if (t.kind == Kind::Float && t.bits == 64 && rsqrt && !s.has("ftz"))
    i.run = rsqrtDouble;
  else if (t.kind == Kind::Float && (t.packed || t.bits == 16) && !rsqrt)
    i.run = t.packed ? shorter<Half, true, F> : shorter<Half, false, F>;
  else if (t.kind == Kind::BFloat && !rsqrt)
    i.run = t.packed ? shorter<BHalf, true, F> : shorter<BHalf, false, F>;
  else
    return false;
  unsigned bits = t.bits == 64 ? 64 : 32;
  i.operand[0] = decoder.write(s.operands[0], bits);
  i.operand[1] = decoder.read(s.operands[1], bits);
  return true;
}

const NamedRule kRules[] = {{"ex2", rule<kEx2>}, {"lg2", rule<kLg2>}, {"sin", rule<kSin>}, {"cos", rule<kCos>}, {"tanh", rule<kTanh>}, {"rsqrt", rule<kRsqrt>}};

} // namespace

std::span<const NamedRule> approximateRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
