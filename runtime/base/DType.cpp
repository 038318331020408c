#include "runtime/base/DType.h"

#include <cassert>
#include <cstring>

namespace hb {
namespace {

struct Row {
  std::string_view name;
  uint8_t size;
  bool isFloat;
};
/// In the order of the enum.
constexpr Row kRows[] = {{"F64", 8, true},  {"F32", 4, true},  {"F16", 2, true}, {"BF16", 2, true}, {"I64", 8, false},
                         {"I32", 4, false}, {"I16", 2, false}, {"I8", 1, false}, {"U8", 1, false},  {"BOOL", 1, false}};

template <typename T> T loadUnaligned(const unsigned char *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T, typename Convert> void widen(const void *source, size_t count, float *target, Convert convert) {
  const auto *bytes = static_cast<const unsigned char *>(source);
  for (size_t i = 0; i < count; ++i)
    target[i] = convert(loadUnaligned<T>(bytes + i * sizeof(T)));
}

template <typename T, typename Convert> void narrow(const float *source, size_t count, void *target, Convert convert) {
  auto *bytes = static_cast<unsigned char *>(target);
  for (size_t i = 0; i < count; ++i) {
    T value = convert(source[i]);
    std::memcpy(bytes + i * sizeof(T), &value, sizeof value);
  }
}

} // namespace

size_t dtypeSize(DType type) { return kRows[static_cast<size_t>(type)].size; }
std::string_view dtypeName(DType type) { return kRows[static_cast<size_t>(type)].name; }
bool isFloat(DType type) { return kRows[static_cast<size_t>(type)].isFloat; }

std::optional<DType> parseDType(std::string_view name) {
  for (size_t i = 0; i < sizeof kRows / sizeof kRows[0]; ++i)
    if (kRows[i].name == name)
      return static_cast<DType>(i);
  return std::nullopt;
}

uint16_t floatToHalf(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000)
    return sign | 0x7E00 | static_cast<uint16_t>((magnitude >> 13) & 0x3FF);
  if (magnitude >= 0x477FF000) // 65520 = half way to the first number that has no half: rounds to infinity
    return sign | 0x7C00;
  if (magnitude >= 0x38800000) { // normal: 2^-14 and above
    uint32_t rebiased = magnitude - ((127 - 15) << 23);
    return sign | static_cast<uint16_t>((rebiased + 0xFFF + ((rebiased >> 13) & 1)) >> 13);
  }
  if (magnitude < 0x33000000) // below half the smallest subnormal
    return sign;
  // Subnormal: the result counts units of 2^-24, so shift the 24-bit significand right and round to even.
  uint32_t significand = (magnitude & 0x7FFFFF) | 0x800000;
  uint32_t shift = 126 - (magnitude >> 23);
  uint32_t whole = significand >> shift, rest = significand & ((1u << shift) - 1), half = 1u << (shift - 1);
  if (rest > half || (rest == half && (whole & 1)))
    ++whole;
  return sign | static_cast<uint16_t>(whole);
}

float halfToFloat(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, exponent = (bits >> 10) & 31, fraction = bits & 0x3FF;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7F800000 | (fraction << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 127 - 15) << 23) | (fraction << 13));
  float magnitude = static_cast<float>(fraction) * 0x1p-24f; // exact: at most ten bits
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

uint16_t floatToBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000)
    return static_cast<uint16_t>((bits >> 16) | 0x40); // rounding could carry a NaN's last bits away
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

void convertToFloat(DType type, const void *source, size_t count, float *target) {
  auto cast = [](auto value) { return static_cast<float>(value); };
  switch (type) {
  case DType::F64: return widen<double>(source, count, target, cast);
  case DType::F32:
    if (count)
      std::memcpy(target, source, count * sizeof(float));
    return;
  case DType::F16: return widen<uint16_t>(source, count, target, halfToFloat);
  case DType::BF16: return widen<uint16_t>(source, count, target, bf16ToFloat);
  case DType::I64: return widen<int64_t>(source, count, target, cast);
  case DType::I32: return widen<int32_t>(source, count, target, cast);
  case DType::I16: return widen<int16_t>(source, count, target, cast);
  case DType::I8: return widen<int8_t>(source, count, target, cast);
  case DType::U8: return widen<uint8_t>(source, count, target, cast);
  case DType::BOOL: return widen<uint8_t>(source, count, target, [](uint8_t value) { return value ? 1.0f : 0.0f; });
  }
}

void convertFromFloat(DType type, const float *source, size_t count, void *target) {
  switch (type) {
  case DType::F64: return narrow<double>(source, count, target, [](float value) { return static_cast<double>(value); });
  case DType::F32:
    if (count)
      std::memcpy(target, source, count * sizeof(float));
    return;
  case DType::F16: return narrow<uint16_t>(source, count, target, floatToHalf);
  case DType::BF16: return narrow<uint16_t>(source, count, target, floatToBf16);
  default: assert(false && "not a floating type");
  }
}

} // namespace hb
