#include "runtime/base/Text.h"

#include <gtest/gtest.h>

#include <vector>

namespace hb {
namespace {

TEST(Text, PrintableDisarmsTerminalCommands) {
  EXPECT_EQ(printable("plain ä 犬"), "plain ä 犬");
  EXPECT_EQ(printable("a\x1b[31mred\n"), "a?[31mred?");
  EXPECT_EQ(printable("a\xc2\x9b"), "a?") << "the one-byte form of ESC [ in Latin-1";
  EXPECT_EQ(printable("\xff\xfe"), "??");
  EXPECT_EQ(printable(std::string(500, 'x'), 10), "xxxxxxxxxx…");
  EXPECT_EQ(printable("ääää", 5), "ää…") << "cut between characters";
}

TEST(Text, Utf8FollowsTheStandard) {
  for (const char *good : {"", "a", "ä", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(isUtf8(good)) << good;
  for (const char *bad : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80"})
    EXPECT_FALSE(isUtf8(bad));
}

TEST(Text, Paths) {
  EXPECT_EQ(baseName("a/b.txt"), "b.txt");
  EXPECT_EQ(baseName("a/b/"), "b");
  EXPECT_EQ(baseName("b"), "b");
  EXPECT_EQ(joinPath("a", "b"), "a/b");
  EXPECT_EQ(joinPath("a/", "b"), "a/b");
  EXPECT_EQ(joinPath("", "b"), "b");
  EXPECT_EQ(shapeText(std::vector<int64_t>{2, 3}), "[2, 3]");
  EXPECT_EQ(shapeText(std::vector<int64_t>{}), "[]");
}

} // namespace
} // namespace hb
