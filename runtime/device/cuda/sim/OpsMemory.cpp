// ld and st in every space, alone and as vectors.
#include "runtime/device/cuda/sim/Access.h"
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

constexpr unsigned kAddress = 8;       // the operand that holds the base; the data are operands 0 … count - 1
constexpr uint8_t kStrong = 0x80;      // in Instruction::mode, beside the space

Space spaceOf(const Instruction &i) { return static_cast<Space>(i.mode & 0x7F); }

template <class T, bool Wide> void load(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask) {
  uint64_t address[32];
  std::byte *from[32];
  addresses(warp, i.operand[kAddress], i.wideAddress, i.offset, address);
  resolve(worker, warp, i, spaceOf(i), mask, address, {static_cast<uint32_t>(sizeof(T) * i.count), false, false, (i.mode & kStrong) != 0}, from);
  using Word = std::conditional_t<Wide, uint64_t, uint32_t>;
  for (unsigned k = 0; k < i.count; ++k) {
    Word *d = warp.slot<Word>(i.operand[k]);
    auto one = [&](unsigned l) {
      T value;
      std::memcpy(&value, from[l] + k * sizeof(T), sizeof(T));
      d[l] = static_cast<Word>(value); // zero or sign extended
    };
    if (mask == kAllLanes)
      for (unsigned l = 0; l < 32; ++l)
        one(l);
    else
      for (uint32_t rest = mask; rest; rest &= rest - 1)
        one(static_cast<unsigned>(std::countr_zero(rest)));
  }
}

template <class T, bool Wide> void store(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask) {
  uint64_t address[32];
  std::byte *to[32];
  addresses(warp, i.operand[kAddress], i.wideAddress, i.offset, address);
  resolve(worker, warp, i, spaceOf(i), mask, address, {static_cast<uint32_t>(sizeof(T) * i.count), true, false, (i.mode & kStrong) != 0}, to);
  using Word = std::conditional_t<Wide, uint64_t, uint32_t>;
  for (unsigned k = 0; k < i.count; ++k) {
    const Word *a = warp.slot<Word>(i.operand[k]);
    auto one = [&](unsigned l) {
      T value = static_cast<T>(a[l]);
      std::memcpy(to[l] + k * sizeof(T), &value, sizeof(T));
    };
    if (mask == kAllLanes)
      for (unsigned l = 0; l < 32; ++l)
        one(l);
    else
      for (uint32_t rest = mask; rest; rest &= rest - 1)
        one(static_cast<unsigned>(std::countr_zero(rest)));
  }
}

/// A parameter of the kernel is the same for every lane and was checked when the code was read.
template <class T, bool Wide> void loadParameter(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask) {
  using Word = std::conditional_t<Wide, uint64_t, uint32_t>;
  for (unsigned k = 0; k < i.count; ++k) {
    T value;
    std::memcpy(&value, worker.launch.parameters.data() + i.offset + k * sizeof(T), sizeof(T));
    Word *d = warp.slot<Word>(i.operand[k]), word = static_cast<Word>(value);
    for (unsigned l = 0; l < 32; ++l)
      d[l] = (mask >> l & 1) ? word : d[l];
  }
}

template <template <class, bool> class Pick> Operation choose(const Type &t, bool wide) {
  switch (t.bits) {
  case 8: return t.isSigned() ? wide ? Pick<int8_t, true>::run : Pick<int8_t, false>::run : wide ? Pick<uint8_t, true>::run : Pick<uint8_t, false>::run;
  case 16: return t.isSigned() ? wide ? Pick<int16_t, true>::run : Pick<int16_t, false>::run : wide ? Pick<uint16_t, true>::run : Pick<uint16_t, false>::run;
  case 32: return t.isSigned() ? wide ? Pick<int32_t, true>::run : Pick<int32_t, false>::run : wide ? Pick<uint32_t, true>::run : Pick<uint32_t, false>::run;
  default: return wide ? Pick<uint64_t, true>::run : nullptr;
  }
}
template <class T, bool Wide> struct Load { static constexpr Operation run = load<T, Wide>; };
template <class T, bool Wide> struct Store { static constexpr Operation run = store<T, Wide>; };
template <class T, bool Wide> struct LoadParameter { static constexpr Operation run = loadParameter<T, Wide>; };

Space spaceNamed(const Statement &s) {
  for (std::string_view part : s.opcode) {
    if (part == "shared" || part == "shared::cta")
      return Space::Shared;
    if (part == "global")
      return Space::Global;
    if (part == "const")
      return Space::Const;
    if (part == "local")
      return Space::Local;
    if (part == "param" || part == "param::entry" || part == "param::func")
      return Space::Param;
  }
  return Space::Generic;
}

bool access(Decoder &decoder, const Statement &s, Instruction &i) {
  bool store = s.opcode[0] == "st";
  Type t = typeNamed(s.opcode.back());
  if (s.operands.size() != 2 || t.bits < 8 || s.has("shared::cluster") || s.has("mmio") || s.has("async"))
    return false;
  const Operand &place = s.operands[store ? 0 : 1];
  auto data = Decoder::elements(s.operands[store ? 1 : 0]);
  unsigned expected = s.has("v2") ? 2 : s.has("v4") ? 4 : s.has("v8") ? 8 : 1;
  if (data.size() != expected || data.size() * t.bytes() > 32)
    return false;
  Space space = spaceNamed(s);
  // Arguments of an inlined call lie in the thread's own memory; a variable's name without a space in the opcode says its space.
  if (Space named = decoder.addressed(place); named != Space::Generic && (space == Space::Generic || space == Space::Param))
    space = named;
  i.count = static_cast<uint8_t>(data.size());
  i.bytes = static_cast<uint8_t>(t.bytes());
  bool strong = s.has("volatile") || s.has("relaxed") || s.has("acquire") || s.has("release");
  i.mode = static_cast<uint8_t>(static_cast<uint8_t>(space) | (strong ? kStrong : 0));
  bool wide = false;
  for (size_t k = 0; k < data.size(); ++k) {
    bool own = t.bits == 64;
    if (store && !decoder.isRegister(data[k]) && data[k].is != Operand::Is::Special)
      i.operand[k] = decoder.read(data[k], wide ? 64 : t.bits);
    else if (store)
      i.operand[k] = decoder.readAnyWidth(data[k], own);
    else if (data[k].is == Operand::Is::Blank)
      i.operand[k] = decoder.scratch(wide ? 64 : t.bits), own = own || wide;
    else
      i.operand[k] = decoder.writeAnyWidth(data[k], own);
    if (k && own != wide)
      return false;
    wide = own;
  }
  decoder.address(place, i, kAddress);
  unsigned all = t.bytes() * static_cast<unsigned>(data.size());
  if (space == Space::Shared || space == Space::Generic)
    decoder.sharedAccess(all);
  if (space == Space::Global || space == Space::Generic)
    decoder.globalAccess(all);
  bool constantPlace = place.elements.empty() || !decoder.isRegister(place.elements[0]);
  if (space == Space::Param && !store && constantPlace) {
    if (i.offset < 0 || static_cast<uint64_t>(i.offset) + all > decoder.entry().parameterBytes || i.offset % all)
      decoder.refuse("a parameter inside the kernel's, at a multiple of its size");
    i.run = choose<LoadParameter>(t, wide);
  } else {
    i.run = store ? choose<Store>(t, wide) : choose<Load>(t, wide);
  }
  return i.run != nullptr;
}

const NamedRule kRules[] = {{"ld", access}, {"ldu", access}, {"st", access}};

} // namespace

std::span<const NamedRule> memoryRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
