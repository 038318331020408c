#include "runtime/train/Crc32c.h"

#include <array>

namespace hb {
namespace {

constexpr std::array<uint32_t, 256> makeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = value & 1 ? value >> 1 ^ 0x82F63B78u : value >> 1;
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = makeTable();

} // namespace

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before) {
  uint32_t value = ~before;
  for (std::byte byte : bytes)
    value = kTable[(value ^ static_cast<uint32_t>(byte)) & 0xFF] ^ value >> 8;
  return ~value;
}

uint32_t crc32c(std::string_view text, uint32_t before) { return crc32c(std::as_bytes(std::span(text.data(), text.size())), before); }

} // namespace hb
