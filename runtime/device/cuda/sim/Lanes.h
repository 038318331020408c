// Loops over the lanes of a warp. A register is an array of 32 words of 32 bits (also for 8 and 16 bits) or of 64 bits; a predicate is
// one word with a bit for each lane.
#pragma once

#include "runtime/device/cuda/sim/Machine.h"
#include "runtime/device/cuda/sim/Numbers.h"

#include <type_traits>

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {

template <class T> using Slot = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T> inline T get(Slot<T> word) {
  if constexpr (sizeof(T) >= 4)
    return std::bit_cast<T>(word);
  else
    return std::bit_cast<T>(static_cast<std::conditional_t<sizeof(T) == 2, uint16_t, uint8_t>>(word));
}
template <class T> inline Slot<T> put(T value) {
  if constexpr (sizeof(T) >= 4)
    return std::bit_cast<Slot<T>>(value);
  else if constexpr (std::is_integral_v<T>)
    return static_cast<uint32_t>(static_cast<std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>>(value)); // sign or zero above
  else
    return std::bit_cast<uint16_t>(value);
}

// Registers either are the same or do not overlap, so the lanes are independent.
#define HB_EACH_LANE(l) _Pragma("clang loop vectorize(assume_safety)") for (unsigned l = 0; l < 32; ++l)

/// d[l] = value(l) for the lanes of the mask. The values of the others are computed as well and dropped: `value` must be harmless.
template <class D, class F> inline void assign(Warp &warp, uint32_t slot, uint32_t mask, F value) {
  Slot<D> *d = warp.slot<Slot<D>>(slot);
  if (mask == kAllLanes) {
    HB_EACH_LANE(l) d[l] = put<D>(value(l));
  } else {
    HB_EACH_LANE(l) {
      Slot<D> next = put<D>(value(l));
      d[l] = (mask >> l & 1) ? next : d[l];
    }
  }
}

template <class D, class A, auto F> void unary(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const Slot<A> *a = warp.slot<Slot<A>>(i.operand[1]);
  assign<D>(warp, i.operand[0], mask, [=](unsigned l) { return static_cast<D>(F(get<A>(a[l]))); });
}

template <class D, class A, class B, auto F> void binary(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const Slot<A> *a = warp.slot<Slot<A>>(i.operand[1]);
  const Slot<B> *b = warp.slot<Slot<B>>(i.operand[2]);
  assign<D>(warp, i.operand[0], mask, [=](unsigned l) { return static_cast<D>(F(get<A>(a[l]), get<B>(b[l]))); });
}

template <class D, class A, class B, class C, auto F> void ternary(Worker &, Warp &warp, const Instruction &i, uint32_t mask) {
  const Slot<A> *a = warp.slot<Slot<A>>(i.operand[1]);
  const Slot<B> *b = warp.slot<Slot<B>>(i.operand[2]);
  const Slot<C> *c = warp.slot<Slot<C>>(i.operand[3]);
  assign<D>(warp, i.operand[0], mask, [=](unsigned l) { return static_cast<D>(F(get<A>(a[l]), get<B>(b[l]), get<C>(c[l]))); });
}

/// The lanes for which F holds.
template <class A, class B, auto F> inline uint32_t holds(Warp &warp, const Instruction &i, unsigned first) {
  const Slot<A> *a = warp.slot<Slot<A>>(i.operand[first]);
  const Slot<B> *b = warp.slot<Slot<B>>(i.operand[first + 1]);
  uint32_t bits = 0;
  HB_EACH_LANE(l) bits |= static_cast<uint32_t>(static_cast<bool>(F(get<A>(a[l]), get<B>(b[l])))) << l;
  return bits;
}

inline void assignPredicate(Warp &warp, uint32_t slot, uint32_t mask, uint32_t bits) {
  uint32_t &word = warp.word(slot);
  word = (word & ~mask) | (bits & mask);
}

/// The base of an address operand plus its offset, for every lane.
inline void addresses(Warp &warp, uint32_t slot, bool wide, int64_t offset, uint64_t (&result)[32]) {
  if (wide) {
    const uint64_t *base = warp.slot<uint64_t>(slot);
    HB_EACH_LANE(l) result[l] = base[l] + static_cast<uint64_t>(offset);
  } else {
    const uint32_t *base = warp.slot<uint32_t>(slot);
    HB_EACH_LANE(l) result[l] = base[l] + static_cast<uint64_t>(offset);
  }
}

} // namespace hb::ptx
HB_HOST_VECTOR_END
