// One instruction at a time against the same thing written in C++.
#include "tests/runtime/device/cuda_sim/Kernel.h"
#include "runtime/base/SplitMix64.h"

#include <bit>
#include <cfenv>
#include <cmath>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

using namespace hb::ptx;
using namespace hb::ptx::test;

namespace {

using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i32 = int32_t;
using i64 = int64_t;

float f(u64 x) { return std::bit_cast<float>(static_cast<u32>(x)); }
double d(u64 x) { return std::bit_cast<double>(x); }
_Float16 h(u64 x) { return std::bit_cast<_Float16>(static_cast<u16>(x)); }
u64 bits(float x) { return x == x ? std::bit_cast<u32>(x) : 0x7FFFFFFF; }
u64 bits(double x) { return std::bit_cast<u64>(x); }
u64 bits(_Float16 x) { return x == x ? std::bit_cast<u16>(x) : 0x7FFF; }
float ftz(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }
u16 bf(float x) { // to nearest even, by choosing among the two neighbours
  if (x != x)
    return 0x7FFF;
  u32 b = std::bit_cast<u32>(x), low = b & 0xFFFF0000u, rest = b & 0xFFFF;
  return static_cast<u16>((rest > 0x8000 || (rest == 0x8000 && (b & 0x10000)) ? low + 0x10000 : low) >> 16);
}
float fromBf(u64 x) { return std::bit_cast<float>(static_cast<u32>(x & 0xFFFF) << 16); }
template <class F> auto inMode(int mode, F compute) {
  std::fesetround(mode);
  auto result = compute();
  std::fesetround(FE_TONEAREST);
  return result;
}
float minimum(float a, float b) { return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? a : b) : a < b ? a : b; }

/// classes: of the result, a, b, c: h 16 bits, w 32, d 64, p a predicate (as a result: 0 or 1; as an input: bit 0).
struct Row {
  const char *text, *classes;
  std::function<u64(u64, u64, u64)> expected;
};

#define E [](u64 a, u64 b, u64 c) -> u64
const Row kRows[] = {
    // whole numbers
    {"add.s32", "www", E { return u32(a) + u32(b); }},
    {"sub.s64", "ddd", E { return a - b; }},
    {"add.s16", "hhh", E { return u16(a + b); }},
    {"mul.lo.s32", "www", E { return u32(a) * u32(b); }},
    {"mul.hi.u32", "www", E { return u64(u32(a)) * u32(b) >> 32; }},
    {"mul.hi.s32", "www", E { return u32(i64(i32(a)) * i32(b) >> 32); }},
    {"mul.hi.u64", "ddd", E { return u64((unsigned __int128)a * b >> 64); }},
    {"mul.wide.u32", "dww", E { return u64(u32(a)) * u32(b); }},
    {"mul.wide.s32", "dww", E { return u64(i64(i32(a)) * i32(b)); }},
    {"mul.wide.u16", "whh", E { return u32(u16(a)) * u16(b); }},
    {"mad.lo.s32", "wwww", E { return u32(u32(a) * u32(b) + u32(c)); }},
    {"mad.wide.u32", "dwwd", E { return u64(u32(a)) * u32(b) + c; }},
    {"div.u32", "www", E { return u32(b) ? u32(a) / u32(b) : 0xFFFFFFFFu; }},
    {"div.s32", "www", E { return i32(b) == 0 ? 0xFFFFFFFFu : i32(b) == -1 ? 0u - u32(a) : u32(i32(a) / i32(b)); }},
    {"rem.u64", "ddd", E { return b ? a % b : a; }},
    {"min.s32", "www", E { return u32(std::min(i32(a), i32(b))); }},
    {"max.u64", "ddd", E { return std::max(a, b); }},
    {"min.u16", "hhh", E { return std::min(u16(a), u16(b)); }},
    {"abs.s32", "ww", E { return i32(a) < 0 ? 0u - u32(a) : u32(a); }},
    {"neg.s64", "dd", E { return 0 - a; }},
    {"and.b32", "www", E { return u32(a & b); }},
    {"xor.b64", "ddd", E { return a ^ b; }},
    {"not.b16", "hh", E { return u16(~a); }},
    {"shl.b32", "www", E { return u32(b) < 32 ? u32(a) << u32(b) : 0; }},
    {"shr.u64", "ddw", E { return u32(b) < 64 ? a >> u32(b) : 0; }},
    {"shr.s32", "www", E { return u32(i32(a) >> std::min(u32(b), 31u)); }},
    {"shr.u16", "hhw", E { return u32(b) < 16 ? u16(a) >> u32(b) : 0; }},
    {"popc.b64", "wd", E { return u64(__builtin_popcountll(a)); }},
    {"clz.b32", "ww", E { return u32(a) ? u64(__builtin_clz(u32(a))) : 32; }},
    {"brev.b32", "ww", E { return u64(__builtin_bitreverse32(u32(a))); }},
    {"bfind.u32", "ww", E { return u32(a) ? 31u - u32(__builtin_clz(u32(a))) : 0xFFFFFFFFu; }},
    {"bfe.u32 $d, $a, 5, 9", "ww", E { return u32(a) >> 5 & 511; }},
    {"bfe.s32 $d, $a, 28, 9", "ww", E { return u32(i32(a) >> 28); }},
    {"bfe.u64 $d, $a, 60, 3", "dd", E { return a >> 60 & 7; }},
    {"bfi.b32 $d, $a, $b, 4, 8", "www", E { return u32((b & ~0xFF0u) | (a & 0xFF) << 4); }},
    {"prmt.b32 $d, $a, $b, 0x7520", "www", E { u64 x = u32(a) | b << 32; return u32((x & 0xFF) | (x >> 16 & 0xFF) << 8 | (x >> 40 & 0xFF) << 16 | (x >> 56) << 24); }},
    {"prmt.b32 $d, $a, $b, 0x888B", "www", E { return (i32(a) < 0 ? 0xFFu : 0) | (a & 0x80 ? 0xFFFFFF00u : 0); }},
    {"shf.l.wrap.b32", "wwww", E { u32 n = c & 31; return n ? u32(u32(b) << n | u32(a) >> (32 - n)) : u32(b); }},
    {"shf.r.clamp.b32", "wwww", E { u32 n = std::min(u32(c), 32u); return u32((u64(u32(b)) << 32 | u32(a)) >> n); }},
    {"lop3.b32 $d, $a, $b, $c, 0xE8", "wwww", E { return u32((a & b) | (a & c) | (b & c)); }},
    {"selp.b32 $d, $a, $b, $c", "wwwp", E { return u32(c & 1 ? a : b); }},
    {"{ .reg .b32 t; add.cc.u32 t, $a, $b; addc.u32 $d, $c, 0; }", "wwww", E { return u32(c + ((u64(u32(a)) + u32(b)) >> 32)); }},
    // float
    {"add.rn.f32", "www", E { return bits(f(a) + f(b)); }},
    {"sub.f32", "www", E { return bits(f(a) - f(b)); }},
    {"mul.rn.f32", "www", E { return bits(f(a) * f(b)); }},
    {"mul.rn.ftz.f32", "www", E { return bits(ftz(ftz(f(a)) * ftz(f(b)))); }},
    {"add.rz.f32", "www", E { volatile float x = f(a), y = f(b); return bits(inMode(FE_TOWARDZERO, [&] { volatile float r = x + y; return float(r); })); }},
    {"mul.rp.f64", "ddd", E { volatile double x = d(a), y = d(b); double r = inMode(FE_UPWARD, [&] { volatile double q = x * y; return double(q); }); return r == r ? bits(r) : ~u64(0); }},
    {"fma.rn.f32", "wwww", E { return bits(std::fma(f(a), f(b), f(c))); }},
    {"add.sat.f32", "www", E { float r = f(a) + f(b); return bits(r > 0 ? std::min(r, 1.0f) : 0.0f); }},
    {"div.rn.f32", "www", E { return bits(f(a) / f(b)); }},
    {"div.full.f32", "www", E { return bits(f(a) / f(b)); }},
    {"sqrt.rn.f32", "ww", E { return bits(std::sqrt(f(a))); }},
    {"rcp.approx.ftz.f32", "ww", E { return bits(ftz(1.0f / ftz(f(a)))); }},
    {"rsqrt.approx.f32", "ww", E { return bits(float(1.0 / std::sqrt(double(f(a))))); }},
    {"ex2.approx.f32", "ww", E { return bits(float(std::exp2(double(f(a))))); }},
    {"lg2.approx.f32", "ww", E { return bits(float(std::log2(double(f(a))))); }},
    {"tanh.approx.f32", "ww", E { return bits(float(std::tanh(double(f(a))))); }},
    {"min.f32", "www", E { return bits(minimum(f(a), f(b))); }},
    {"max.NaN.f32", "www", E { return f(a) == f(a) && f(b) == f(b) ? bits(-minimum(-f(a), -f(b))) : 0x7FFFFFFF; }},
    {"abs.f32", "ww", E { return u32(a) & 0x7FFFFFFF; }},
    {"neg.f32", "ww", E { return u32(a) ^ 0x80000000; }},
    {"copysign.f32", "www", E { return (u32(b) & 0x7FFFFFFF) | (u32(a) & 0x80000000); }},
    {"fma.rn.f64", "dddd", E { double r = std::fma(d(a), d(b), d(c)); return r == r ? bits(r) : ~u64(0); }},
    // f16 and bf16
    {"add.f16", "hhh", E { return bits(_Float16(float(h(a)) + float(h(b)))); }},
    {"mul.rn.f16", "hhh", E { return bits(_Float16(float(h(a)) * float(h(b)))); }},
    {"fma.rn.f16", "hhhh", E { return bits(_Float16((long double)h(a) * h(b) + (long double)h(c))); }},
    {"add.f16x2", "www", E { return bits(_Float16(float(h(a)) + float(h(b)))) | bits(_Float16(float(h(a >> 16)) + float(h(b >> 16)))) << 16; }},
    {"fma.rn.bf16x2", "wwww", E {
       auto one = [](u64 x, u64 y, u64 z) {
         double p = double(fromBf(x)) * fromBf(y), s = p + double(fromBf(z));
         return u64(bf(float(s))); // inputs below keep the sum exact in double and away from double rounding
       };
       return one(a, b, c) | one(a >> 16, b >> 16, c >> 16) << 16; }},
    {"neg.bf16x2", "ww", E { return u32(a) ^ 0x80008000u; }},
    {"max.f16", "hhh", E { return bits(_Float16(-minimum(-float(h(a)), -float(h(b))))); }},
    // comparisons
    {"setp.lt.s32", "pww", E { return i32(a) < i32(b); }},
    {"setp.hi.u32", "pww", E { return u32(a) > u32(b); }},
    {"setp.eq.b64", "pdd", E { return a == b; }},
    {"setp.ne.f32", "pww", E { return f(a) < f(b) || f(a) > f(b); }},
    {"setp.neu.f32", "pww", E { return !(f(a) == f(b)); }},
    {"setp.ltu.f32", "pww", E { return !(f(a) >= f(b)); }},
    {"setp.nan.f32", "pww", E { return f(a) != f(a) || f(b) != f(b); }},
    {"setp.gt.f16", "phh", E { return float(h(a)) > float(h(b)); }},
    {"setp.gt.and.u32 $d, $a, $b, $c", "pwwp", E { return u32(a) > u32(b) && (c & 1); }},
    {"setp.lt.or.s32 $d, $a, $b, !$c", "pwwp", E { return i32(a) < i32(b) || !(c & 1); }},
    {"set.lt.u32.f32", "www", E { return f(a) < f(b) ? 0xFFFFFFFFu : 0; }},
    {"testp.subnormal.f32", "pw", E { return std::fpclassify(f(a)) == FP_SUBNORMAL; }},
    {"slct.b32.s32", "wwww", E { return u32(i32(c) >= 0 ? a : b); }},
    // conversions
    {"cvt.s64.s32", "dw", E { return u64(i64(i32(a))); }},
    {"cvt.u64.u32", "dw", E { return u32(a); }},
    {"cvt.s64.s8", "dd", E { return u64(i64(int8_t(a))); }},
    {"cvt.u16.u64", "hd", E { return u16(a); }},
    {"cvt.s32.s16", "wh", E { return u32(i32(int16_t(a))); }},
    {"cvt.sat.s16.s32", "hw", E { return u16(std::clamp(i32(a), -32768, 32767)); }},
    {"cvt.rn.f32.s32", "ww", E { return bits(float(i32(a))); }},
    {"cvt.rn.f32.u64", "wd", E { return bits(float(a)); }},
    {"cvt.rz.f32.s64", "wd", E { volatile i64 x = i64(a); return bits(inMode(FE_TOWARDZERO, [&] { volatile float r = float(x); return float(r); })); }},
    {"cvt.rzi.s32.f32", "ww", E { double x = f(a); return x != x ? 0 : x >= 2147483648.0 ? 0x7FFFFFFFu : x <= -2147483648.0 ? 0x80000000u : u32(i32(x)); }},
    {"cvt.rni.u32.f32", "ww", E { double x = std::nearbyint(double(f(a))); return x != x || x <= 0 ? 0 : x >= 4294967296.0 ? 0xFFFFFFFFu : u32(x); }},
    {"cvt.rmi.f32.f32", "ww", E { return bits(std::floor(f(a))); }},
    {"cvt.f32.f16", "wh", E { return bits(float(h(a))); }},
    {"cvt.rn.f16.f32", "hw", E { return bits(_Float16(f(a))); }},
    {"cvt.rz.f16.f32", "hw", E { float x = f(a); if (x != x) return 0x7FFF; if (std::isinf(x)) return bits(_Float16(x)); _Float16 r = _Float16(x); u16 n = std::bit_cast<u16>(r); if (std::fabs(float(r)) > std::fabs(x)) --n; return n; }},
    {"cvt.rn.bf16.f32", "hw", E { return bf(f(a)); }},
    {"cvt.f32.bf16", "wh", E { return bits(fromBf(a)); }},
    {"cvt.rn.f16x2.f32", "www", E { return bits(_Float16(f(a))) << 16 | bits(_Float16(f(b))); }},
    {"cvt.rn.relu.bf16x2.f32", "www", E { auto relu = [](float x) { return x < 0 ? 0.0f : x; }; return u64(bf(relu(f(a)))) << 16 | bf(relu(f(b))); }},
    {"cvt.f64.f32", "dw", E { double r = f(a); return r == r ? bits(r) : ~u64(0); }},
    {"cvt.rn.f32.f64", "wd", E { return bits(float(d(a))); }},
    {"cvt.rna.tf32.f32", "ww", E { float x = f(a); if (x != x) return 0x7FFFFFFF; if (std::isinf(x)) return u32(a); return (u32(a) & 0x1000) ? (u32(a) & 0xFFFFE000) + 0x2000 : u32(a) & 0xFFFFE000; }},
    // moves
    {"mov.b32 {$d, _}, $a", "hw", E { return u16(a); }},
    {"mov.b32 $d, {$a, $b}", "whh", E { return u16(a) | u32(u16(b)) << 16; }},
    {"mov.b64 $d, {$a, $b}", "dww", E { return u32(a) | u64(u32(b)) << 32; }},
    {"mov.b64 {_, $d}, $a", "wd", E { return a >> 32; }},
};
#undef E

std::string registerOf(char cls, unsigned index) { return std::string(cls == 'h' ? "%rs" : cls == 'w' ? "%r" : cls == 'd' ? "%rd" : "%p") + std::to_string(index); }

std::string kernelOf(const Row &row) {
  std::string body = ".reg .pred %p<8>; .reg .b16 %rs<8>; .reg .b32 %r<12>; .reg .b64 %rd<12>;\n"
                     "mov.u32 %r8, %tid.x; mov.u32 %r9, %ctaid.x; mad.lo.s32 %r8, %r9, 32, %r8;\n"
                     "ld.param.b64 %rd8, [p0]; mad.wide.u32 %rd8, %r8, 24, %rd8; ld.param.b64 %rd9, [p1]; mad.wide.u32 %rd9, %r8, 8, %rd9;\n";
  std::string text = row.text;
  size_t inputs = std::strlen(row.classes) - 1;
  bool given = text.find('$') != text.npos;
  if (!given)
    text += " $d";
  for (size_t k = 0; k < inputs; ++k) {
    std::string n = std::to_string(1 + k);
    body += "ld.global.b64 %rd" + n + ", [%rd8+" + std::to_string(8 * k) + "]; cvt.u32.u64 %r" + n + ", %rd" + n + "; cvt.u16.u64 %rs" + n + ", %rd" + n + ";\n";
    body += "and.b32 %r10, %r" + n + ", 1; setp.eq.b32 %p" + n + ", %r10, 1;\n";
    if (!given)
      text += std::string(", $") + static_cast<char>('a' + k);
  }
  text = replaced(text, "$d", registerOf(row.classes[0], 4));
  for (size_t k = 0; k < inputs; ++k)
    text = replaced(text, std::string("$") + static_cast<char>('a' + k), registerOf(row.classes[1 + k], static_cast<unsigned>(1 + k)));
  body += text + (text.front() == '{' ? "\n" : ";\n");
  const char *out = row.classes[0] == 'h' ? "cvt.u64.u16 %rd4, %rs4;" : row.classes[0] == 'w' ? "cvt.u64.u32 %rd4, %r4;" : row.classes[0] == 'p' ? "selp.b64 %rd4, 1, 0, %p4;" : "";
  return module(body + out + "st.global.b64 [%rd9], %rd4;");
}

/// Numbers that break things, and random ones; for each width what is special there.
std::vector<u64> inputs(size_t count, u64 seed) {
  const u64 special[] = {0, 1, 2, 31, 32, 33, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FC00000,
                         0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x3C00, 0x7C00, 0xFC00, 0x7E00, 0x0001, 0x03FF, 0x0400, 0x7BFF, 0x3C003C00, 0x4B000001, 0x477FF000,
                         0x3F801000, 0x3F803000, 0x3F808000, 0x3F818000, u64(1) << 63, ~u64(0), 0x3FF0000000000000, 0x7FF0000000000000, 0x4330000000000001, 0xC2280000, 0x42F00000, 0x3F000000};
  auto next = [&] { return hb::splitMix64(seed++); };
  std::vector<u64> result(count);
  for (u64 &value : result) {
    u64 r = next();
    // A third special, a third floats of moderate size, a third anything.
    if (r % 3 == 0)
      value = special[(r >> 8) % std::size(special)];
    else if (r % 3 == 1)
      value = std::bit_cast<u32>(static_cast<float>(static_cast<i32>(r >> 32)) * 0x1p-27f);
    else
      value = next();
  }
  return result;
}

TEST(CudaSimSemantics, EveryInstructionAgainstCpp) {
  constexpr uint32_t blocks = 24, count = blocks * 32;
  for (const Row &row : kRows) {
    std::vector<u64> in = inputs(count * 3, 7);
    // Pairs of bf16: small mantissas, so that the expected value needs no fused rounding of its own.
    if (std::string(row.text).find("fma.rn.bf16x2") == 0)
      for (u64 &value : in)
        value = (0x3F803F80 | (value & 0x80408040)) & 0xFFFFFFFF;
    std::vector<u64> out(count, 0xABABABABABABABAB);
    Simulator simulator;
    simulator.allow(in.data(), in.size() * 8, false);
    simulator.allow(out.data(), out.size() * 8);
    hb::ptx::test::Run run{};
    run.grid = {blocks};
    LaunchReport report = run(simulator, kernelOf(row), in.data(), out.data());
    EXPECT_EQ(report.findingCount, 0u) << row.text << "\n" << listed(report);
    unsigned wrong = 0;
    for (uint32_t t = 0; t < count && wrong < 3; ++t) {
      u64 want = row.expected(in[3 * t], in[3 * t + 1], in[3 * t + 2]), got = out[t];
      bool nan64 = row.classes[0] == 'd' && want == ~u64(0) && d(got) != d(got); // the payload of a double NaN is left open
      if (got != want && !nan64) {
        ++wrong;
        ADD_FAILURE() << row.text << " of " << std::hex << in[3 * t] << ", " << in[3 * t + 1] << ", " << in[3 * t + 2] << " gave " << got << ", expected " << want;
      }
    }
  }
}

} // namespace
