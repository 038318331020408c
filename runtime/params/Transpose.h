// Sixteen rows side by side become one row of sixteen lanes: the inner loop of packing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace hb {

/// Lanes of a panel: one AVX-512 vector, two AVX2 vectors, of float32.
inline constexpr int64_t kPanelLanes = 16;

namespace detail {

// 128-bit vectors, which every x86-64 has: packing is bound by memory well before wider ones would help.
template <typename Element> using Vector [[gnu::vector_size(16)]] = Element;

template <typename Element> void zip(const Vector<Element> &a, const Vector<Element> &b, Vector<Element> &low, Vector<Element> &high) {
  if constexpr (sizeof(Element) == 2) {
    low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  } else {
    low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  }
}

} // namespace detail

/// out[k · 16 + lane] = rows[lane][k] for k < count. `rows` are unaligned bytes of elements, uint16_t or uint32_t.
template <typename Element> void transposeLanes(const std::byte *const (&rows)[kPanelLanes], int64_t count, Element *out) {
  using Vector = detail::Vector<Element>;
  constexpr int64_t kStep = 16 / sizeof(Element);
  int64_t k = 0;
  for (; k + kStep <= count; k += kStep) {
    Vector a[kPanelLanes], b[kPanelLanes];
    for (int64_t lane = 0; lane < kPanelLanes; ++lane)
      std::memcpy(&a[lane], rows[lane] + k * sizeof(Element), sizeof(Vector));
    // Interleaving rows i and i + 8 rotates the bits of an element's index (lane, k) by one; four rotations move the lane's
    // bits behind those of k.
    for (int round = 0; round < 2; ++round) {
      for (int64_t i = 0; i < 8; ++i)
        detail::zip<Element>(a[i], a[i + 8], b[2 * i], b[2 * i + 1]);
      for (int64_t i = 0; i < 8; ++i)
        detail::zip<Element>(b[i], b[i + 8], a[2 * i], a[2 * i + 1]);
    }
    std::memcpy(out + k * kPanelLanes, a, sizeof a);
  }
  for (; k < count; ++k)
    for (int64_t lane = 0; lane < kPanelLanes; ++lane)
      std::memcpy(out + k * kPanelLanes + lane, rows[lane] + k * sizeof(Element), sizeof(Element));
}

} // namespace hb
