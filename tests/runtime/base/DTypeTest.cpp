#include "runtime/base/DType.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace hb {
namespace {

TEST(DType, NamesAndSizes) {
  struct {
    DType type;
    const char *name;
    size_t size;
  } rows[] = {{DType::F64, "F64", 8}, {DType::F32, "F32", 4}, {DType::F16, "F16", 2}, {DType::BF16, "BF16", 2}, {DType::I64, "I64", 8},
              {DType::I32, "I32", 4}, {DType::I16, "I16", 2}, {DType::I8, "I8", 1},   {DType::U8, "U8", 1},     {DType::BOOL, "BOOL", 1}};
  for (auto &row : rows) {
    EXPECT_EQ(dtypeName(row.type), row.name);
    EXPECT_EQ(dtypeSize(row.type), row.size);
    EXPECT_EQ(parseDType(row.name), row.type);
  }
  EXPECT_FALSE(parseDType("F12"));
  EXPECT_FALSE(parseDType("f32"));
  EXPECT_FALSE(parseDType(""));
}

TEST(DType, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = halfToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(halfToFloat(floatToHalf(value))));
    else
      ASSERT_EQ(floatToHalf(value), bits);
  }
}

TEST(DType, HalfValuesByHand) {
  EXPECT_EQ(halfToFloat(0x3C00), 1.0f);
  EXPECT_EQ(halfToFloat(0xC000), -2.0f);
  EXPECT_EQ(halfToFloat(0x7BFF), 65504.0f);
  EXPECT_EQ(halfToFloat(0x0001), 0x1p-24f);
  EXPECT_EQ(halfToFloat(0x7C00), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::signbit(halfToFloat(0x8000)));
}

TEST(DType, HalfRoundsToNearestEven) {
  // Between each pair of neighbours: the middle goes to the even one, the numbers beside the middle to the nearer one.
  for (uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    float low = halfToFloat(static_cast<uint16_t>(bits)), high = halfToFloat(static_cast<uint16_t>(bits + 1)), middle = low + (high - low) / 2;
    ASSERT_EQ(floatToHalf(middle), bits & 1 ? bits + 1 : bits) << bits;
    ASSERT_EQ(floatToHalf(std::nextafter(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(floatToHalf(std::nextafter(middle, 1e9f)), bits + 1) << bits;
  }
  EXPECT_EQ(floatToHalf(65519.996f), 0x7BFF);
  EXPECT_EQ(floatToHalf(65520.0f), 0x7C00);
  EXPECT_EQ(floatToHalf(1e30f), 0x7C00);
  EXPECT_EQ(floatToHalf(-1e30f), 0xFC00);
  EXPECT_EQ(floatToHalf(-1e-30f), 0x8000);
}

TEST(DType, Bf16RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7F7F; bits += 7) {
    float low = bf16ToFloat(static_cast<uint16_t>(bits)), high = bf16ToFloat(static_cast<uint16_t>(bits + 1)), middle = low + (high - low) / 2;
    ASSERT_EQ(floatToBf16(low), bits);
    ASSERT_EQ(floatToBf16(middle), bits & 1 ? bits + 1 : bits) << bits;
  }
  EXPECT_EQ(floatToBf16(1.0f), 0x3F80);
  EXPECT_EQ(floatToBf16(std::numeric_limits<float>::max()), 0x7F80);
  float quietNan = std::bit_cast<float>(0x7F800001u); // rounding alone would make this an infinity
  EXPECT_TRUE(std::isnan(bf16ToFloat(floatToBf16(quietNan))));
}

TEST(DType, ConvertsFromUnalignedSources) {
  unsigned char raw[1 + 4 * 8];
  auto put = [&](auto... values) {
    size_t at = 1;
    ((std::memcpy(raw + at, &values, sizeof values), at += sizeof values), ...);
  };
  float out[4];
  put(1.5, -2.0, 0.0, 1e10);
  convertToFloat(DType::F64, raw + 1, 4, out);
  EXPECT_EQ(out[1], -2.0f);
  EXPECT_EQ(out[3], 1e10f);
  put(int64_t(-3), int64_t(1) << 40);
  convertToFloat(DType::I64, raw + 1, 2, out);
  EXPECT_EQ(out[0], -3.0f);
  EXPECT_EQ(out[1], 0x1p40f);
  put(uint16_t(0x3C00), uint16_t(0xC000));
  convertToFloat(DType::F16, raw + 1, 2, out);
  EXPECT_EQ(out[1], -2.0f);
  convertToFloat(DType::BF16, raw + 1, 1, out);
  EXPECT_EQ(out[0], bf16ToFloat(0x3C00));
  put(uint8_t(0), uint8_t(2), int8_t(-1));
  convertToFloat(DType::BOOL, raw + 1, 2, out);
  EXPECT_EQ(out[0], 0.0f);
  EXPECT_EQ(out[1], 1.0f);
  convertToFloat(DType::I8, raw + 3, 1, out);
  EXPECT_EQ(out[0], -1.0f);
}

TEST(DType, ConvertsToEveryFloat) {
  float values[] = {1.0f, -2.0f}, back[2];
  for (DType type : {DType::F64, DType::F32, DType::F16, DType::BF16}) {
    unsigned char raw[17];
    convertFromFloat(type, values, 2, raw + 1);
    convertToFloat(type, raw + 1, 2, back);
    EXPECT_EQ(back[0], 1.0f);
    EXPECT_EQ(back[1], -2.0f);
  }
}

} // namespace
} // namespace hb
