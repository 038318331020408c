// A hash over evenly spread blocks of a byte stream: tells files apart, and whole ones from torn ones, at the cost of 256 KiB.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace hb {

/// FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv). Guards against accidents, not against attackers.
class Fnv1a {
public:
  void update(std::span<const std::byte> bytes) {
    for (std::byte b : bytes)
      state_ = (state_ ^ static_cast<uint64_t>(b)) * 0x100000001b3;
  }
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  uint64_t value() const { return state_; }

private:
  uint64_t state_ = 0xcbf29ce484222325;
};

/// The stream may come in pieces of any size; the value depends on the bytes and the announced total only. The last block ends
/// where the stream ends.
class SampledHash {
public:
  explicit SampledHash(uint64_t totalSize) : total_(totalSize) {}
  void update(std::span<const std::byte> bytes);
  uint64_t value() const { return hash_.value(); }

private:
  uint64_t blockStart(uint64_t block) const;
  uint64_t total_, position_ = 0;
  Fnv1a hash_;
};

} // namespace hb
