#include "runtime/train/EventFile.h"

#include "runtime/train/Crc32c.h"
#include "tests/runtime/base/ScratchFolder.h"

#include <cstring>

namespace hb {
namespace {

TEST(EventFile, FramesRecords) {
  // Length, its masked sum, the data, its masked sum.
  std::string got = tfRecord("abc");
  ASSERT_EQ(got.size(), 8u + 4 + 3 + 4);
  uint64_t length;
  std::memcpy(&length, got.data(), 8);
  EXPECT_EQ(length, 3u);
  auto masked = [](std::string_view text) { uint32_t c = crc32c(text); return (c >> 15 | c << 17) + 0xa282ead8u; };
  uint32_t sums[2];
  std::memcpy(&sums[0], got.data() + 8, 4);
  std::memcpy(&sums[1], got.data() + 15, 4);
  EXPECT_EQ(sums[0], masked(got.substr(0, 8)));
  EXPECT_EQ(sums[1], masked("abc"));
}

TEST(EventFile, ScalarsAndPictures) {
  test::ScratchFolder folder;
  std::string path;
  {
    EventFile events(folder.path("logs"));
    events.scalars(300, {{"loss", 0.5f}, {"reward/mean", -1.25f}});
    events.image(300, "samples", 5, 6, "PNG");
    path = events.path();
  }
  std::string bytes = test::contentsOf(path);
  std::vector<std::string> records;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length;
    ASSERT_LE(at + 8, bytes.size());
    std::memcpy(&length, bytes.data() + at, 8);
    records.push_back(bytes.substr(at + 12, length));
    ASSERT_EQ(tfRecord(records.back()), bytes.substr(at, length + 16));
    at += length + 16;
  }
  ASSERT_EQ(records.size(), 3u);
  // Field 1 is the wall time (9 bytes); then, written out from the wire format: file_version, and step 300 with its summary.
  EXPECT_EQ(records[0].substr(9), "\x1a\x0d" "brain.Event:2");
  std::string loss = std::string("\x0a\x04loss\x15", 7) + std::string("\0\0\0\x3f", 4);
  std::string mean = std::string("\x0a\x0breward/mean\x15", 14) + std::string("\0\0\xa0\xbf", 4);
  std::string summary = std::string("\x0a\x0b", 2) + loss + std::string("\x0a\x12", 2) + mean;
  EXPECT_EQ(records[1].substr(9), std::string("\x10\xac\x02\x2a\x21", 5) + summary);
  std::string picture("\x08\x06\x10\x05\x18\x03\x22\x03PNG", 11);
  std::string value = std::string("\x0a\x07samples\x22\x0b", 11) + picture;
  EXPECT_EQ(records[2].substr(9), std::string("\x10\xac\x02\x2a\x18\x0a\x16", 7) + value);
}

TEST(EventFile, NoPlaceToWrite) {
  test::ScratchFolder folder;
  folder.write("file", "");
  test::expectError(901, [&] { EventFile events(folder.path("file/logs")); });
}

} // namespace
} // namespace hb
