// The checksum of TensorBoard's records and of our checkpoints: CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected; public: RFC 3720, B.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hb {

/// The checksum of bytes that follow others whose checksum is `before` (0: none).
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0);
uint32_t crc32c(std::string_view text, uint32_t before = 0);

} // namespace hb
