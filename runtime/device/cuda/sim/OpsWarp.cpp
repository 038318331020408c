// What lanes of one warp tell each other: shfl, vote, match, redux, bar.warp.sync; and the fences.
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

namespace hb::ptx {
namespace {

enum Shuffle : uint8_t { kUp, kDown, kButterfly, kIndex };

/// operand: 0 the value, 1 the predicate or kNone, 2 source, 3 lane or distance, 4 clamp and segment mask.
void shfl(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask) {
  uint32_t *d = warp.slot<uint32_t>(i.operand[0]);
  const uint32_t *a = warp.slot<uint32_t>(i.operand[2]), *b = warp.slot<uint32_t>(i.operand[3]), *c = warp.slot<uint32_t>(i.operand[4]);
  uint32_t result[32], inRange = 0;
  for (unsigned l = 0; l < 32; ++l) {
    if (!(mask >> l & 1))
      continue;
    // The rules of the PTX ISA, shfl.sync: a segment, a farthest lane in it, the lane asked for.
    uint32_t by = b[l] & 31, clamp = c[l] & 31, segment = c[l] >> 8 & 31;
    uint32_t most = (l & segment) | (clamp & ~segment), least = l & segment, from = l;
    bool fits = false;
    switch (i.mode) {
    case kUp: from = l - by, fits = static_cast<int32_t>(from) >= static_cast<int32_t>(most); break;
    case kDown: from = l + by, fits = from <= most; break;
    case kButterfly: from = l ^ by, fits = from <= most; break;
    default: from = least | (by & ~segment), fits = from <= most; break;
    }
    if (!fits)
      from = l;
    if (!(mask >> from & 1))
      worker.stop("divergence", i, warp, l, "takes the value of lane " + std::to_string(from) + ", which does not execute the instruction");
    result[l] = a[from];
    inRange |= static_cast<uint32_t>(fits) << l;
  }
  for (unsigned l = 0; l < 32; ++l)
    if (mask >> l & 1)
      d[l] = result[l];
  if (i.operand[1] != kNone)
    assignPredicate(warp, i.operand[1], mask, inRange);
}

void collective(Decoder &decoder, Instruction &i, const Operand &lanes) {
  i.flow = Flow::Collective;
  i.operand[15] = decoder.read(lanes, 32);
}

bool shflRule(Decoder &decoder, const Statement &s, Instruction &i) {
  if (!s.has("sync") || s.operands.size() != 5)
    return false;
  i.mode = s.has("up") ? kUp : s.has("down") ? kDown : s.has("bfly") ? kButterfly : kIndex;
  auto results = Decoder::elements(s.operands[0]);
  i.run = shfl;
  i.operand[0] = decoder.write(results[0], 32);
  i.operand[1] = results.size() > 1 ? decoder.write(results[1], 1) : kNone;
  for (unsigned k = 1; k < 4; ++k)
    i.operand[1 + k] = decoder.read(s.operands[k], 32);
  collective(decoder, i, s.operands[4]);
  return true;
}

enum Vote : uint8_t { kAll, kAny, kUniform, kBallot };
void vote(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  uint32_t bits = (warp.word(i.operand[1]) ^ (i.count ? kAllLanes : 0)) & mask;
  if (i.mode == kBallot) {
    assign<uint32_t>(warp, i.operand[0], mask, [=](unsigned) { return bits; });
    return;
  }
  bool holds = i.mode == kAll ? bits == mask : i.mode == kAny ? bits != 0 : bits == 0 || bits == mask;
  assignPredicate(warp, i.operand[0], mask, holds ? kAllLanes : 0);
}
bool voteRule(Decoder &decoder, const Statement &s, Instruction &i) {
  if (!s.has("sync") || s.operands.size() != 3)
    return false;
  i.mode = s.has("ballot") ? kBallot : s.has("all") ? kAll : s.has("any") ? kAny : kUniform;
  i.run = vote;
  i.operand[0] = decoder.write(s.operands[0], i.mode == kBallot ? 32 : 1);
  Operand condition = s.operands[1];
  i.count = condition.negated;
  condition.negated = false;
  i.operand[1] = decoder.read(condition, 1);
  collective(decoder, i, s.operands[2]);
  return true;
}

/// match.any: the lanes with my value; match.all: all lanes if they agree, else none.
template <class T, bool All> void match(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const T *a = warp.slot<T>(i.operand[2]);
  uint32_t *d = warp.slot<uint32_t>(i.operand[0]), result[32] = {};
  for (unsigned l = 0; l < 32; ++l)
    for (unsigned m = 0; m < 32; ++m)
      if ((mask >> l & 1) && (mask >> m & 1) && a[l] == a[m])
        result[l] |= 1u << m;
  bool agree = result[std::countr_zero(mask)] == mask;
  for (unsigned l = 0; l < 32; ++l)
    if (mask >> l & 1)
      d[l] = All ? agree ? mask : 0 : result[l];
  if (i.operand[1] != kNone)
    assignPredicate(warp, i.operand[1], mask, agree ? kAllLanes : 0);
}
bool matchRule(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (!s.has("sync") || s.operands.size() != 3 || t.bits < 32)
    return false;
  bool all = s.has("all");
  auto results = Decoder::elements(s.operands[0]);
  i.run = t.bits == 64 ? all ? match<uint64_t, true> : match<uint64_t, false> : all ? match<uint32_t, true> : match<uint32_t, false>;
  i.operand[0] = decoder.write(results[0], 32);
  i.operand[1] = results.size() > 1 ? decoder.write(results[1], 1) : kNone;
  i.operand[2] = decoder.read(s.operands[1], t.bits);
  collective(decoder, i, s.operands[2]);
  return true;
}

enum Reduction : uint8_t { kAdd, kMin, kMax, kAnd, kOr, kXor };
template <class T> void redux(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const uint32_t *a = warp.slot<uint32_t>(i.operand[1]);
  T sum = static_cast<T>(a[std::countr_zero(mask)]);
  for (uint32_t rest = mask & (mask - 1); rest; rest &= rest - 1) {
    T x = static_cast<T>(a[std::countr_zero(rest)]);
    sum = i.mode == kAdd ? sum + x : i.mode == kMin ? std::min(sum, x) : i.mode == kMax ? std::max(sum, x) : i.mode == kAnd ? sum & x : i.mode == kOr ? sum | x : sum ^ x;
  }
  assign<T>(warp, i.operand[0], mask, [=](unsigned) { return sum; });
}
bool reduxRule(Decoder &decoder, const Statement &s, Instruction &i) {
  constexpr std::string_view names[] = {"add", "min", "max", "and", "or", "xor"};
  Type t = typeNamed(s.opcode.back());
  if (!s.has("sync") || s.operands.size() != 3 || t.bits != 32 || !t.isInteger())
    return false;
  for (i.mode = 0; i.mode < std::size(names); ++i.mode)
    if (s.has(names[i.mode]))
      break;
  if (i.mode == std::size(names))
    return false;
  i.run = t.isSigned() ? redux<int32_t> : redux<uint32_t>;
  i.operand[0] = decoder.write(s.operands[0], 32);
  i.operand[1] = decoder.read(s.operands[1], 32);
  collective(decoder, i, s.operands[2]);
  return true;
}

void activeMask(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  assign<uint32_t>(warp, i.operand[0], mask, [=](unsigned) { return mask; });
}
bool activeMaskRule(Decoder &decoder, const Statement &s, Instruction &i) {
  if (s.operands.size() != 1)
    return false;
  i.run = activeMask;
  i.operand[0] = decoder.write(s.operands[0], 32);
  return true;
}

/// elect.sync d|p, mask: one lane of them, here the lowest.
void elect(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  uint32_t leader = static_cast<uint32_t>(std::countr_zero(mask));
  assign<uint32_t>(warp, i.operand[0], mask, [=](unsigned) { return leader; });
  assignPredicate(warp, i.operand[1], mask, 1u << leader);
}
bool electRule(Decoder &decoder, const Statement &s, Instruction &i) {
  auto results = s.operands.empty() ? std::span<const Operand>{} : Decoder::elements(s.operands[0]);
  if (s.operands.size() != 2 || results.size() != 2)
    return false;
  i.run = elect;
  i.operand[0] = decoder.write(results[0], 32);
  i.operand[1] = decoder.write(results[1], 1);
  collective(decoder, i, s.operands[1]);
  return true;
}

/// The only one of these that orders memory between the lanes.
void warpSync(Worker &worker, Warp &warp, const Instruction &, uint32_t mask) {
  if (mask == warp.alive) // a group of lanes alone does not order the others; leaving the clock reports too much, never too little
    worker.races.tick(warp.index);
}
bool warpSyncRule(Decoder &decoder, const Statement &s, Instruction &i) {
  if (!s.has("warp") || s.operands.size() != 1)
    return false;
  i.run = warpSync;
  collective(decoder, i, s.operands[0]);
  return true;
}

void fence(Worker &worker, Warp &, const Instruction &, uint32_t) { worker.memory.fence(); }
bool fenceRule(Decoder &, const Statement &s, Instruction &i) {
  i.run = fence;
  return s.operands.empty();
}

const NamedRule kRules[] = {{"shfl", shflRule}, {"vote", voteRule}, {"match", matchRule}, {"redux", reduxRule}, {"activemask", activeMaskRule},
                            {"elect", electRule}, {"bar", warpSyncRule}, {"membar", fenceRule}, {"fence", fenceRule}};

} // namespace

std::span<const NamedRule> warpRules() { return kRules; }

} // namespace hb::ptx
