// atom and red: one lane after the other, in the order of their numbers.
#include "runtime/device/cuda/sim/Access.h"
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

#include <mutex>

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

constexpr unsigned kAddress = 8;

enum class Update : uint8_t { Add, Min, Max, And, Or, Xor, Exchange, CompareAndSwap, Increment, Decrement };

/// One update of one place by operand `b` (and `c`, for cas the value to store).
template <class T> T updated(Update how, T old, T b, T c) {
  if constexpr (std::is_same_v<T, Half2> || std::is_same_v<T, BHalf2>) {
    using Short = std::conditional_t<std::is_same_v<T, Half2>, Half, BHalf>;
    auto sum = [](uint32_t x, uint32_t y) { return fromFloat<Short>(toFloat(Short{static_cast<uint16_t>(x)}) + toFloat(Short{static_cast<uint16_t>(y)})).bits; };
    return {static_cast<uint32_t>(sum(old.bits >> 16, b.bits >> 16)) << 16 | sum(old.bits, b.bits)};
  } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BHalf>) {
    return fromFloat<T>(toFloat(old) + toFloat(b));
  } else if constexpr (std::is_floating_point_v<T>) {
    return how == Update::Exchange ? b : canonical(old + b);
  } else {
    switch (how) {
    case Update::Add: return old + b;
    case Update::Min: return old < b ? old : b;
    case Update::Max: return old > b ? old : b;
    case Update::And: return old & b;
    case Update::Or: return old | b;
    case Update::Xor: return old ^ b;
    case Update::Exchange: return b;
    case Update::CompareAndSwap: return old == b ? c : old;
    case Update::Increment: return old >= b ? T(0) : T(old + 1);
    default: return old == 0 || old > b ? b : T(old - 1);
    }
  }
}

std::mutex &updates() { // of blocks on several host threads
  static std::mutex mutex;
  return mutex;
}

template <class T> void update(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask) {
  uint64_t address[32];
  std::byte *at[32];
  addresses(warp, i.operand[kAddress], i.wideAddress, i.offset, address);
  resolve(worker, warp, i, static_cast<Space>(i.bytes), mask, address, {sizeof(T), true, true, true}, at);
  std::unique_lock<std::mutex> lock(updates(), std::defer_lock);
  if (worker.launch.options.threads > 1)
    lock.lock();
  using Word = Slot<T>;
  const Word *b = warp.slot<Word>(i.operand[1]), *c = warp.slot<Word>(i.operand[2]);
  for (unsigned l = 0; l < 32; ++l)
    if (mask >> l & 1) {
      T old;
      std::memcpy(&old, at[l], sizeof(T));
      T next = updated<T>(static_cast<Update>(i.mode), old, get<T>(b[l]), get<T>(c[l]));
      std::memcpy(at[l], &next, sizeof(T));
      warp.slot<Word>(i.operand[0])[l] = put<T>(old);
    }
}

struct Named { std::string_view name; Update update; };
const Named kUpdates[] = {{"add", Update::Add}, {"min", Update::Min}, {"max", Update::Max}, {"and", Update::And}, {"or", Update::Or}, {"xor", Update::Xor},
                          {"exch", Update::Exchange}, {"cas", Update::CompareAndSwap}, {"inc", Update::Increment}, {"dec", Update::Decrement}};

Operation operationFor(const Type &t, Update how) {
  if (t.kind == Kind::Float || t.kind == Kind::BFloat) {
    if (how != Update::Add)
      return nullptr;
    if (t.kind == Kind::BFloat)
      return t.packed ? update<BHalf2> : update<BHalf>;
    return t.packed ? update<Half2> : t.bits == 16 ? update<Half> : t.bits == 32 ? update<float> : update<double>;
  }
  if (t.bits == 16)
    return how == Update::CompareAndSwap ? update<uint16_t> : nullptr;
  return t.bits == 64 ? t.isSigned() ? update<int64_t> : update<uint64_t> : t.bits == 32 ? t.isSigned() ? update<int32_t> : update<uint32_t> : nullptr;
}

bool atomic(Decoder &decoder, const Statement &s, Instruction &i) {
  bool result = s.opcode[0] == "atom";
  Type t = typeNamed(s.opcode.back());
  const Named *named = nullptr;
  for (const Named &candidate : kUpdates)
    if (s.has(candidate.name))
      named = &candidate;
  size_t first = result ? 1 : 0;
  if (!named || s.operands.size() != first + (named->update == Update::CompareAndSwap ? 3u : 2u) || s.operands.back().is == Operand::Is::Vector || s.has("async"))
    return false;
  i.mode = static_cast<uint8_t>(named->update);
  i.bytes = static_cast<uint8_t>(s.has("shared") || s.has("shared::cta") ? Space::Shared : s.has("global") ? Space::Global : Space::Generic);
  i.run = operationFor(t, named->update);
  if (!i.run)
    return false;
  i.operand[0] = result ? decoder.write(s.operands[0], t.bits) : decoder.scratch(t.bits);
  decoder.address(s.operands[first], i, kAddress);
  i.operand[1] = decoder.read(s.operands[first + 1], t.bits);
  i.operand[2] = named->update == Update::CompareAndSwap ? decoder.read(s.operands[first + 2], t.bits) : i.operand[1];
  decoder.sharedAccess(t.bytes());
  decoder.globalAccess(t.bytes());
  return true;
}

const NamedRule kRules[] = {{"atom", atomic}, {"red", atomic}};

} // namespace

std::span<const NamedRule> atomicRules() { return kRules; }

} // namespace hb::ptx
HB_HOST_VECTOR_END
