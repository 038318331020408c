// mov with its packing forms, cvta, isspacep.
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

constexpr auto kSame = [](auto a) { return a; };
constexpr auto kExtend = [](uint32_t a) { return static_cast<uint64_t>(a); };
constexpr auto kAdd = [](uint64_t a, uint64_t b) { return a + b; };

void movePredicate(Worker &, Warp &warp, const Instruction &i, uint32_t mask) { assignPredicate(warp, i.operand[0], mask, warp.word(i.operand[1])); }

/// Operands 1 … count, each of T, side by side in one D.
template <class D, class T> void pack(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  for (unsigned k = 0; k < i.count; ++k) {
    const Slot<T> *part = warp.slot<Slot<T>>(i.operand[1 + k]);
    const D *before = warp.slot<D>(i.operand[kMaxOperands - 1]); // a register of the decoder's own: the result may be one of the parts
    D keep = k ? ~D(0) : D(0);
    assign<D>(warp, i.operand[kMaxOperands - 1], mask, [=](unsigned l) { return static_cast<D>((before[l] & keep) | static_cast<D>(get<T>(part[l])) << (8 * sizeof(T) * k)); });
  }
  const D *all = warp.slot<D>(i.operand[kMaxOperands - 1]);
  assign<D>(warp, i.operand[0], mask, [=](unsigned l) { return all[l]; });
}
template <class D, class T> void unpack(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const D *whole = warp.slot<D>(i.operand[0]);
  if (std::is_same_v<D, Slot<T>>) { // the source may be one of the results
    D *copy = warp.slot<D>(i.operand[kMaxOperands - 1]);
    for (unsigned l = 0; l < 32; ++l)
      copy[l] = whole[l];
    whole = copy;
  }
  for (unsigned k = 0; k < i.count; ++k)
    assign<T>(warp, i.operand[1 + k], mask, [=](unsigned l) { return static_cast<T>(whole[l] >> (8 * sizeof(T) * k)); });
}

bool packing(Decoder &decoder, const Statement &s, Instruction &i, const Type &t) {
  bool packs = s.operands[1].is == Operand::Is::Vector;
  auto parts = Decoder::elements(s.operands[packs ? 1 : 0]);
  if (parts.size() < 2 || parts.size() > 8 || t.bits % parts.size() || (t.bits != 32 && t.bits != 64))
    return false;
  unsigned each = t.bits / static_cast<unsigned>(parts.size());
  i.count = static_cast<uint8_t>(parts.size());
  i.operand[kMaxOperands - 1] = decoder.scratch(t.bits);
  i.operand[0] = packs ? decoder.write(s.operands[0], t.bits) : decoder.read(s.operands[1], t.bits);
  for (size_t k = 0; k < parts.size(); ++k)
    i.operand[1 + k] = packs ? decoder.read(parts[k], 32) : decoder.write(parts[k], 32);
  if (t.bits == 64)
    i.run = each == 32 ? packs ? pack<uint64_t, uint32_t> : unpack<uint64_t, uint32_t> : each == 16 ? packs ? pack<uint64_t, uint16_t> : unpack<uint64_t, uint16_t>
                                                                                       : packs ? pack<uint64_t, uint8_t> : unpack<uint64_t, uint8_t>;
  else
    i.run = each == 16 ? packs ? pack<uint32_t, uint16_t> : unpack<uint32_t, uint16_t> : packs ? pack<uint32_t, uint8_t> : unpack<uint32_t, uint8_t>;
  return each >= 8;
}

bool move(Decoder &decoder, const Statement &s, Instruction &i) {
  Type t = typeNamed(s.opcode.back());
  if (s.operands.size() != 2 || t.kind == Kind::None)
    return false;
  if (t.kind == Kind::Predicate) {
    i.run = movePredicate;
    i.operand[0] = decoder.write(s.operands[0], 1);
    i.operand[1] = decoder.read(s.operands[1], 1);
    return true;
  }
  if (s.operands[0].is == Operand::Is::Vector || s.operands[1].is == Operand::Is::Vector)
    return packing(decoder, s, i, t);
  i.operand[0] = decoder.write(s.operands[0], t.bits);
  if (t.bits == 64 && s.operands[1].is == Operand::Is::Special) {
    i.run = unary<uint64_t, uint32_t, kExtend>;
    i.operand[1] = decoder.read(s.operands[1], 32);
    return true;
  }
  i.run = t.bits == 64 ? unary<uint64_t, uint64_t, kSame> : unary<uint32_t, uint32_t, kSame>;
  i.operand[1] = decoder.read(s.operands[1], t.bits);
  return true;
}

uint64_t windowOf(const Statement &s) {
  return s.has("shared") || s.has("shared::cta") ? kSharedWindow : s.has("local") ? kLocalWindow : s.has("param") || s.has("param::entry") ? kParameterWindow : 0;
}

bool cvta(Decoder &decoder, const Statement &s, Instruction &i) {
  if (typeNamed(s.opcode.back()).bits != 64 || s.operands.size() != 2)
    return false;
  uint64_t window = windowOf(s);
  i.run = binary<uint64_t, uint64_t, uint64_t, kAdd>;
  i.operand[0] = decoder.write(s.operands[0], 64);
  i.operand[1] = decoder.read(s.operands[1], 64);
  i.operand[2] = decoder.constant(s.has("to") ? 0 - window : window, 64);
  return true;
}

void isInSpace(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const uint64_t *a = warp.slot<uint64_t>(i.operand[1]);
  uint32_t bits = 0;
  for (unsigned l = 0; l < 32; ++l)
    bits |= static_cast<uint32_t>((a[l] & kWindowMask) == static_cast<uint64_t>(i.offset)) << l;
  assignPredicate(warp, i.operand[0], mask, bits);
}
bool isspacep(Decoder &decoder, const Statement &s, Instruction &i) {
  if (s.operands.size() != 2)
    return false;
  i.run = isInSpace;
  i.offset = static_cast<int64_t>(windowOf(s));
  i.operand[0] = decoder.write(s.operands[0], 1);
  i.operand[1] = decoder.read(s.operands[1], 64);
  return true;
}

const NamedRule kRules[] = {{"mov", move}, {"cvta", cvta}, {"isspacep", isspacep}};

} // namespace

std::span<const NamedRule> moveRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
