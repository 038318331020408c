// Element types of tensors in files and modules, and the conversions between the floating ones.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hb {

enum class DType : uint8_t { F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL };

/// Bytes of one element.
size_t dtypeSize(DType type);
/// The name safetensors files use, e.g. "BF16".
std::string_view dtypeName(DType type);
/// The inverse of dtypeName; nothing for a name this project does not read.
std::optional<DType> parseDType(std::string_view name);
/// F64, F32, F16, BF16.
bool isFloat(DType type);

/// IEEE 754 binary16 and bfloat16 as bit patterns. Narrowing rounds to nearest, ties to even, and keeps NaN a NaN (quiet).
uint16_t floatToHalf(float value);
float halfToFloat(uint16_t bits);
uint16_t floatToBf16(float value);
inline float bf16ToFloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/// Widens (or, for F64, rounds) `count` elements to float. `source` needs no alignment: file data may start at any byte.
/// Integers and BOOL convert by value.
void convertToFloat(DType type, const void *source, size_t count, float *target);
/// Rounds `count` floats to a floating type; `target` needs no alignment. Only F32, F16, BF16, F64.
void convertFromFloat(DType type, const float *source, size_t count, void *target);

} // namespace hb
