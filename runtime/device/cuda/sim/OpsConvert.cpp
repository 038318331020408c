// cvt. Widths of whole numbers, f16, bf16 and f32 to nearest have loops of their own; every other pair goes through `general`.
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

#include <cfenv>
#include <limits>

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

// ---- whole to whole
template <class D, class S, bool Wide> void widen(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const std::conditional_t<Wide, uint64_t, Slot<S>> *a = warp.slot<std::conditional_t<Wide, uint64_t, Slot<S>>>(i.operand[1]);
  assign<D>(warp, i.operand[0], mask, [=](unsigned l) { return static_cast<D>(static_cast<S>(a[l])); });
}
template <class S, bool Wide> Operation widenTo(const Type &d) {
  switch (d.bits) {
  case 8: return d.isSigned() ? widen<int8_t, S, Wide> : widen<uint8_t, S, Wide>;
  case 16: return d.isSigned() ? widen<int16_t, S, Wide> : widen<uint16_t, S, Wide>;
  case 32: return widen<uint32_t, S, Wide>;
  default: return widen<uint64_t, S, Wide>;
  }
}
template <bool Wide> Operation widenFrom(const Type &s, const Type &d) {
  switch (s.bits) {
  case 8: return s.isSigned() ? widenTo<int8_t, Wide>(d) : widenTo<uint8_t, Wide>(d);
  case 16: return s.isSigned() ? widenTo<int16_t, Wide>(d) : widenTo<uint16_t, Wide>(d);
  case 32: return s.isSigned() ? widenTo<int32_t, Wide>(d) : widenTo<uint32_t, Wide>(d);
  default: return widenTo<uint64_t, true>(d);
  }
}

// ---- the usual pairs of floats
constexpr auto kFromHalf = [](Half a) { return canonical(toFloat(a)); };
constexpr auto kFromBHalf = [](BHalf a) { return canonical(toFloat(a)); };
constexpr auto kToHalf = [](float a) { return halfOf(a); };
constexpr auto kToBHalf = [](float a) { return bhalfOf(a); };
constexpr auto kToFloat = [](auto a) { return static_cast<float>(a); };
constexpr auto kToDouble = [](auto a) { return static_cast<double>(a); };
constexpr auto kNarrow = [](double a) { return canonical(static_cast<float>(a)); };
/// To nearest, ties away from zero, at 10 bits of mantissa; the rest is cleared.
constexpr auto kTensor = [](float a) {
  uint32_t bits = std::bit_cast<uint32_t>(a);
  return a == a ? (std::isinf(a) ? bits : (bits + 0x1000) & 0xFFFFE000) : kNanF32;
};

template <class T, bool Relu> void pack(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const uint32_t *high = warp.slot<uint32_t>(i.operand[1]), *low = warp.slot<uint32_t>(i.operand[2]);
  assign<uint32_t>(warp, i.operand[0], mask, [=](unsigned l) {
    float a = std::bit_cast<float>(high[l]), b = std::bit_cast<float>(low[l]);
    if (Relu)
      a = a < 0 ? 0.0f : a, b = b < 0 ? 0.0f : b;
    return static_cast<uint32_t>(fromFloat<T>(a).bits) << 16 | fromFloat<T>(b).bits;
  });
}

// ---- everything else, a lane at a time
enum Format : uint8_t { kWhole, kF16, kBF16, kTF32, kF32, kF64 };
struct Conversion {
  uint8_t from, to;            ///< Format
  uint8_t fromBits, toBits;
  uint8_t rounding;            ///< Rounding
  bool fromSigned : 1, toSigned : 1, fromWide : 1, toIntegral : 1, saturate : 1, flush : 1, relu : 1, pair : 1;
};
static_assert(sizeof(Conversion) <= sizeof(Instruction::offset2));
Conversion conversionOf(const Instruction &i) {
  Conversion result;
  std::memcpy(&result, &i.offset2, sizeof result);
  return result;
}

int hostMode(uint8_t rounding) {
  switch (static_cast<Rounding>(rounding)) {
  case Rounding::Zero: return FE_TOWARDZERO;
  case Rounding::Down: return FE_DOWNWARD;
  case Rounding::Up: return FE_UPWARD;
  default: return FE_TONEAREST;
  }
}

double integral(double x, uint8_t rounding) {
  switch (static_cast<Rounding>(rounding)) {
  case Rounding::Zero: return std::trunc(x);
  case Rounding::Down: return std::floor(x);
  case Rounding::Up: return std::ceil(x);
  default: return std::nearbyint(x);
  }
}

uint64_t wholeOf(double x, const Conversion &c) {
  // Out-of-range values clamp, NaN is zero, or the top bit for 64-bit results (PTX ISA, cvt).
  if (x != x)
    return c.toBits == 64 ? uint64_t(1) << 63 : 0;
  x = integral(x, c.rounding);
  double high = std::ldexp(1.0, c.toBits - (c.toSigned ? 1 : 0)), low = c.toSigned ? -high : 0.0;
  if (x >= high)
    return c.toSigned ? (uint64_t(1) << (c.toBits - 1)) - 1 : c.toBits == 64 ? ~uint64_t(0) : (uint64_t(1) << c.toBits) - 1;
  if (x <= low)
    return c.toSigned ? uint64_t(0) - (uint64_t(1) << (c.toBits - 1)) : 0;
  return c.toSigned ? static_cast<uint64_t>(static_cast<int64_t>(x)) : static_cast<uint64_t>(x);
}

uint64_t realOf(double x, const Conversion &c) {
  if (c.toIntegral)
    x = integral(x, c.rounding);
  if (c.flush && c.to == kF32 && std::fabs(x) < 0x1p-126)
    x = std::copysign(0.0, x);
  if (c.saturate)
    x = x > 0 ? x < 1 ? x : 1.0 : 0.0;
  if (c.relu && x < 0)
    x = 0.0;
  auto mode = static_cast<Rounding>(c.rounding);
  switch (c.to) {
  case kF16: return x == x ? halfBits(roundTo(x, 10, -14, 65504.0, mode)) : kNanF16;
  case kBF16: return x == x ? singleBits(roundTo(x, 7, -126, 0x1.FEp127, mode)) >> 16 : kNanBF16;
  case kTF32: return x == x ? singleBits(roundTo(x, 10, -126, 0x1.FFCp127, mode)) : kNanF32;
  case kF32: return x == x ? singleBits(roundTo(x, 23, -126, std::numeric_limits<float>::max(), c.toIntegral ? Rounding::Nearest : mode)) : kNanF32;
  default: return std::bit_cast<uint64_t>(x);
  }
}

double realFrom(uint64_t word, const Conversion &c) {
  switch (c.from) {
  case kF16: return toFloat(Half{static_cast<uint16_t>(word)});
  case kBF16: return toFloat(BHalf{static_cast<uint16_t>(word)});
  case kF32: return c.flush ? flushed<true>(std::bit_cast<float>(static_cast<uint32_t>(word))) : std::bit_cast<float>(static_cast<uint32_t>(word));
  default: return std::bit_cast<double>(word);
  }
}

uint64_t converted(uint64_t word, const Conversion &c) {
  if (c.from != kWhole) {
    double x = realFrom(word, c);
    return c.to == kWhole ? wholeOf(x, c) : realOf(x, c);
  }
  // Whole numbers, sign or zero extended to 64 bits.
  unsigned shift = 64 - c.fromBits;
  int64_t s = static_cast<int64_t>(word << shift) >> shift;
  uint64_t u = word << shift >> shift;
  if (c.to == kWhole) {
    __int128 x = c.fromSigned ? static_cast<__int128>(s) : static_cast<__int128>(u);
    __int128 high = (static_cast<__int128>(1) << (c.toBits - (c.toSigned ? 1 : 0))) - 1, low = c.toSigned ? -high - 1 : 0;
    return static_cast<uint64_t>(x < low ? low : x > high ? high : x);
  }
  // Straight into the result's format in the host's rounding mode where there is such a conversion: one rounding.
  std::fesetround(hostMode(c.rounding));
  volatile float single = c.fromSigned ? static_cast<float>(s) : static_cast<float>(u);
  volatile double twice = c.fromSigned ? static_cast<double>(s) : static_cast<double>(u);
  std::fesetround(FE_TONEAREST);
  if (c.to == kF32 && !c.saturate)
    return std::bit_cast<uint32_t>(static_cast<float>(single));
  if (c.to == kF64)
    return std::bit_cast<uint64_t>(static_cast<double>(twice));
  return realOf(twice, c);
}

void general(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  Conversion c = conversionOf(i);
  for (unsigned l = 0; l < 32; ++l) {
    if (!(mask >> l & 1))
      continue;
    auto lane = [&](uint32_t slot, bool wide) { return wide ? warp.slot<uint64_t>(slot)[l] : warp.slot<uint32_t>(slot)[l]; };
    uint64_t result = converted(lane(i.operand[1], c.fromWide), c);
    if (c.pair)
      result = (result & 0xFFFF) << 16 | (converted(lane(i.operand[2], false), c) & 0xFFFF);
    if (c.toBits == 64)
      warp.slot<uint64_t>(i.operand[0])[l] = result;
    else
      warp.slot<uint32_t>(i.operand[0])[l] = static_cast<uint32_t>(result);
  }
}

Format formatOf(const Type &t) {
  if (t.kind == Kind::Float)
    return t.bits == 64 ? kF64 : t.packed || t.bits == 16 ? kF16 : kF32;
  return t.kind == Kind::BFloat ? kBF16 : t.kind == Kind::Tensor32 ? kTF32 : kWhole;
}

struct RoundingName { std::string_view name; Rounding rounding; bool integral; };
const RoundingName kRoundings[] = {{"rn", Rounding::Nearest, false}, {"rz", Rounding::Zero, false}, {"rm", Rounding::Down, false}, {"rp", Rounding::Up, false},
                                   {"rna", Rounding::NearestAway, false}, {"rni", Rounding::Nearest, true}, {"rzi", Rounding::Zero, true}, {"rmi", Rounding::Down, true},
                                   {"rpi", Rounding::Up, true}};

Operation quick(const Type &d, const Type &s, const Statement &st, Rounding rounding, bool wide) {
  if (st.has("sat") || st.has("relu") || rounding != Rounding::Nearest || st.has("rni"))
    return d.kind == Kind::Tensor32 && rounding == Rounding::NearestAway && !st.has("relu") ? unary<uint32_t, float, kTensor> : nullptr;
  Format to = formatOf(d), from = formatOf(s);
  bool ftz = st.has("ftz");
  if (to == kF32 && from == kF16)
    return ftz ? nullptr : unary<float, Half, kFromHalf>;
  if (to == kF32 && from == kBF16)
    return ftz ? nullptr : unary<float, BHalf, kFromBHalf>;
  if (to == kF16 && from == kF32)
    return ftz ? nullptr : unary<Half, float, kToHalf>;
  if (to == kBF16 && from == kF32)
    return ftz ? nullptr : unary<BHalf, float, kToBHalf>;
  if (to == kF64 && from == kF32)
    return ftz ? nullptr : unary<double, float, kToDouble>;
  if (to == kF32 && from == kF64)
    return ftz ? nullptr : unary<float, double, kNarrow>;
  if (to == kF32 && from == kWhole && s.bits == 32 && !wide)
    return s.isSigned() ? unary<float, int32_t, kToFloat> : unary<float, uint32_t, kToFloat>;
  if (to == kF64 && from == kWhole && s.bits == 32 && !wide)
    return s.isSigned() ? unary<double, int32_t, kToDouble> : unary<double, uint32_t, kToDouble>;
  return nullptr;
}

bool convert(Decoder &decoder, const Statement &st, Instruction &i) {
  if (st.opcode.size() < 3 || st.operands.size() < 2)
    return false;
  Type d = typeNamed(st.opcode[st.opcode.size() - 2]), s = typeNamed(st.opcode.back());
  if (d.kind == Kind::None || s.kind == Kind::None || d.kind == Kind::Predicate || s.kind == Kind::Predicate || s.packed || s.kind == Kind::Tensor32 || d.kind == Kind::Bits)
    return false;
  bool pair = d.packed, wide = false, wideResult = false;
  if (st.operands.size() != (pair ? 3u : 2u) || (pair && !(s == Type{Kind::Float, 32})))
    return false;
  Rounding rounding = Rounding::Nearest;
  bool integral = false;
  for (std::string_view part : st.opcode)
    for (const RoundingName &name : kRoundings)
      if (part == name.name)
        rounding = name.rounding, integral = name.integral;
  if (pair) {
    if (d.kind != Kind::Float && d.kind != Kind::BFloat)
      return false;
    i.operand[0] = decoder.write(st.operands[0], 32);
    i.operand[1] = decoder.read(st.operands[1], 32);
    i.operand[2] = decoder.read(st.operands[2], 32);
    if (rounding == Rounding::Nearest && !st.has("sat")) {
      bool relu = st.has("relu");
      i.run = d.kind == Kind::Float ? relu ? pack<Half, true> : pack<Half, false> : relu ? pack<BHalf, true> : pack<BHalf, false>;
      return true;
    }
  } else {
    i.operand[0] = decoder.writeAnyWidth(st.operands[0], wideResult);
    if (wideResult != (d.bits == 64))
      return false;
    if (decoder.isRegister(st.operands[1]) || st.operands[1].is == Operand::Is::Special)
      i.operand[1] = decoder.readAnyWidth(st.operands[1], wide);
    else
      i.operand[1] = decoder.read(st.operands[1], s.bits), wide = s.bits == 64;
    if (s.bits == 64 && !wide)
      return false;
    if (formatOf(s) != kWhole && s.bits < 64 && wide)
      return false;
    if (formatOf(d) == kWhole && formatOf(s) == kWhole && !st.has("sat"))
      i.run = wide ? widenFrom<true>(s, d) : widenFrom<false>(s, d);
    else
      i.run = quick(d, s, st, rounding, wide);
    if (i.run)
      return true;
  }
  Conversion c{};
  c.from = formatOf(s), c.to = formatOf(d);
  c.fromBits = static_cast<uint8_t>(s.bits), c.toBits = static_cast<uint8_t>(pair ? 32 : d.bits);
  c.rounding = static_cast<uint8_t>(rounding);
  c.fromSigned = s.isSigned(), c.toSigned = d.isSigned(), c.fromWide = wide, c.toIntegral = integral && c.to != kWhole;
  c.saturate = st.has("sat") && c.to != kWhole, c.flush = st.has("ftz"), c.relu = st.has("relu"), c.pair = pair;
  std::memcpy(&i.offset2, &c, sizeof c);
  i.run = general;
  return true;
}

const NamedRule kRules[] = {{"cvt", convert}};

} // namespace

std::span<const NamedRule> convertRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
