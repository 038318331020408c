// ldmatrix, movmatrix and mma.sync. Fragment layouts: PTX ISA, "Matrix Fragments for mma.m16n8k…".
//
// A result is c, plus the products in ascending k, one fused float multiply-add each. Tensor cores add in another order and drop bits
// of small summands, so the last bits of a GPU differ.
#include "runtime/device/cuda/sim/Access.h"
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

constexpr unsigned kAddress = 8;

// Register r of 8x8 halves: lane 4g + t holds (g, 2t) and (g, 2t + 1). As 64 halves in a row the registers of a warp are the tile row by row.

template <bool Transposed> void ldmatrix(Worker &worker, Warp &warp, const Instruction &i, uint32_t) {
  uint64_t address[32];
  addresses(warp, i.operand[kAddress], i.wideAddress, i.offset, address);
  uint32_t rows = i.count == 4 ? kAllLanes : (1u << (8 * i.count)) - 1;
  std::byte *from[32];
  resolve(worker, warp, i, i.mode ? Space::Shared : Space::Generic, rows, address, {16, false, false, false}, from);
  uint16_t tile[4][8][8];
  for (unsigned m = 0; m < i.count; ++m)
    for (unsigned r = 0; r < 8; ++r)
      std::memcpy(tile[m][r], from[m * 8 + r], 16);
  for (unsigned m = 0; m < i.count; ++m) {
    uint32_t *d = warp.slot<uint32_t>(i.operand[m]);
    if (!Transposed)
      std::memcpy(d, tile[m], 128);
    else
      for (unsigned l = 0; l < 32; ++l)
        d[l] = tile[m][l % 4 * 2][l / 4] | static_cast<uint32_t>(tile[m][l % 4 * 2 + 1][l / 4]) << 16;
  }
}

void movmatrix(Worker &, Warp &warp, const Instruction &i, uint32_t) {
  uint16_t tile[8][8];
  std::memcpy(tile, warp.slot<uint32_t>(i.operand[1]), 128);
  uint32_t *d = warp.slot<uint32_t>(i.operand[0]);
  for (unsigned l = 0; l < 32; ++l)
    d[l] = tile[l % 4 * 2][l / 4] | static_cast<uint32_t>(tile[l % 4 * 2 + 1][l / 4]) << 16;
}

struct HalfElement {
  static constexpr unsigned perRegister = 8; ///< elements of a row that one register of four lanes holds
  static void row(const uint32_t *lanes, float *to) {
    uint16_t halves[8];
    std::memcpy(halves, lanes, 16);
    for (unsigned k = 0; k < 8; ++k)
      to[k] = toFloat(Half{halves[k]});
  }
};
struct BHalfElement {
  static constexpr unsigned perRegister = 8;
  static void row(const uint32_t *lanes, float *to) {
    uint16_t halves[8];
    std::memcpy(halves, lanes, 16);
    for (unsigned k = 0; k < 8; ++k)
      to[k] = toFloat(BHalf{halves[k]});
  }
};
/// The hardware reads the upper 19 bits of a tf32 operand.
struct TensorElement {
  static constexpr unsigned perRegister = 4;
  static void row(const uint32_t *lanes, float *to) {
    for (unsigned k = 0; k < 4; ++k)
      to[k] = std::bit_cast<float>(lanes[k] & 0xFFFFE000u);
  }
};

/// m16n8kK: A is two halves of rows by K / perRegister registers, B one column block, C two halves of rows. Operands: d, a, b, c.
template <class E, unsigned K, bool HalfSum> void mma(Worker &, Warp &warp, const Instruction &i, uint32_t) {
  constexpr unsigned steps = K / E::perRegister, sums = HalfSum ? 2 : 4, firstA = sums, firstB = firstA + 2 * steps, firstC = firstB + steps;
  alignas(32) float a[16][K], bt[8][K], b[K][8], c[16][8];
  for (unsigned r = 0; r < 2 * steps; ++r) { // register r: rows of half r & 1, columns of step r / 2
    const uint32_t *lanes = warp.slot<uint32_t>(i.operand[firstA + r]);
    for (unsigned g = 0; g < 8; ++g)
      E::row(lanes + 4 * g, &a[g + 8 * (r & 1)][E::perRegister * (r / 2)]);
  }
  for (unsigned r = 0; r < steps; ++r) {
    const uint32_t *lanes = warp.slot<uint32_t>(i.operand[firstB + r]);
    for (unsigned g = 0; g < 8; ++g)
      E::row(lanes + 4 * g, &bt[g][E::perRegister * r]);
  }
  for (unsigned k = 0; k < K; ++k)
    for (unsigned n = 0; n < 8; ++n)
      b[k][n] = bt[n][k];
  for (unsigned e = 0; e < sums; ++e) {
    const uint32_t *lanes = warp.slot<uint32_t>(i.operand[firstC + e]);
    for (unsigned l = 0; l < 32; ++l)
      if (HalfSum) {
        c[l / 4 + 8 * e][l % 4 * 2] = toFloat(Half{static_cast<uint16_t>(lanes[l])});
        c[l / 4 + 8 * e][l % 4 * 2 + 1] = toFloat(Half{static_cast<uint16_t>(lanes[l] >> 16)});
      } else {
        c[l / 4 + 8 * (e / 2)][l % 4 * 2 + e % 2] = std::bit_cast<float>(lanes[l]);
      }
  }
  for (unsigned row = 0; row < 16; ++row) {
    float sum[8];
    for (unsigned n = 0; n < 8; ++n)
      sum[n] = c[row][n];
    for (unsigned k = 0; k < K; ++k)
      for (unsigned n = 0; n < 8; ++n)
        sum[n] = __builtin_fmaf(a[row][k], b[k][n], sum[n]);
    for (unsigned n = 0; n < 8; ++n)
      c[row][n] = canonical(sum[n]);
  }
  for (unsigned e = 0; e < sums; ++e) {
    uint32_t *lanes = warp.slot<uint32_t>(i.operand[e]);
    for (unsigned l = 0; l < 32; ++l)
      lanes[l] = HalfSum ? halfOf(c[l / 4 + 8 * e][l % 4 * 2]).bits | static_cast<uint32_t>(halfOf(c[l / 4 + 8 * e][l % 4 * 2 + 1]).bits) << 16
                         : std::bit_cast<uint32_t>(c[l / 4 + 8 * (e / 2)][l % 4 * 2 + e % 2]);
  }
}

struct Shape { std::string_view shape, a, d; Operation run; unsigned aRegisters, bRegisters, sums; };
const Shape kShapes[] = {
    {"m16n8k16", "f16", "f32", mma<HalfElement, 16, false>, 4, 2, 4}, {"m16n8k8", "f16", "f32", mma<HalfElement, 8, false>, 2, 1, 4},
    {"m16n8k16", "f16", "f16", mma<HalfElement, 16, true>, 4, 2, 2},  {"m16n8k8", "f16", "f16", mma<HalfElement, 8, true>, 2, 1, 2},
    {"m16n8k16", "bf16", "f32", mma<BHalfElement, 16, false>, 4, 2, 4}, {"m16n8k8", "bf16", "f32", mma<BHalfElement, 8, false>, 2, 1, 4},
    {"m16n8k8", "tf32", "f32", mma<TensorElement, 8, false>, 4, 2, 4}, {"m16n8k4", "tf32", "f32", mma<TensorElement, 4, false>, 2, 1, 4},
};

void wholeWarp(Instruction &i) {
  i.flow = Flow::Collective;
  i.operand[15] = kNone;
}

bool mmaRule(Decoder &decoder, const Statement &s, Instruction &i) {
  // mma.sync.aligned.SHAPE.row.col.D.A.B.C
  if (s.opcode.size() != 10 || s.opcode[1] != "sync" || s.opcode[4] != "row" || s.opcode[5] != "col" || s.operands.size() != 4)
    return false;
  for (const Shape &shape : kShapes) {
    if (s.opcode[3] != shape.shape || s.opcode[6] != shape.d || s.opcode[7] != shape.a || s.opcode[8] != shape.a || s.opcode[9] != shape.d)
      continue;
    const unsigned counts[] = {shape.sums, shape.aRegisters, shape.bRegisters, shape.sums};
    unsigned at = 0;
    for (unsigned part = 0; part < 4; ++part) {
      auto list = Decoder::elements(s.operands[part]);
      if (list.size() != counts[part])
        return false;
      for (const Operand &element : list)
        i.operand[at++] = part ? decoder.read(element, 32) : decoder.write(element, 32);
    }
    i.run = shape.run;
    wholeWarp(i);
    return true;
  }
  return false;
}

bool ldmatrixRule(Decoder &decoder, const Statement &s, Instruction &i) {
  if (!s.has("m8n8") || s.opcode.back() != "b16" || s.operands.size() != 2)
    return false;
  auto list = Decoder::elements(s.operands[0]);
  i.count = s.has("x4") ? 4 : s.has("x2") ? 2 : 1;
  if (list.size() != i.count)
    return false;
  i.mode = s.has("shared") || s.has("shared::cta");
  i.run = s.has("trans") ? ldmatrix<true> : ldmatrix<false>;
  for (unsigned k = 0; k < i.count; ++k)
    i.operand[k] = decoder.write(list[k], 32);
  decoder.address(s.operands[1], i, kAddress);
  decoder.sharedAccess(16);
  wholeWarp(i);
  return true;
}

bool movmatrixRule(Decoder &decoder, const Statement &s, Instruction &i) {
  if (s.operands.size() != 2 || !s.has("trans") || !s.has("m8n8"))
    return false;
  i.run = movmatrix;
  i.operand[0] = decoder.write(s.operands[0], 32);
  i.operand[1] = decoder.read(s.operands[1], 32);
  wholeWarp(i);
  return true;
}

const NamedRule kRules[] = {{"mma", mmaRule}, {"ldmatrix", ldmatrixRule}, {"movmatrix", movmatrixRule}};

} // namespace

std::span<const NamedRule> matrixRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
