#include "runtime/base/MappedFile.h"
#include "tests/runtime/base/ScratchFolder.h"

#include <cstring>
#include <fstream>
#include <numeric>
#include <string>
#include <sys/stat.h>

namespace hb {
namespace {

using test::expectError;
using test::ScratchFolder;

TEST(MappedFile, MapsContents) {
  ScratchFolder folder;
  MappedFile file(folder.write("a", "hello"));
  ASSERT_EQ(file.size(), 5u);
  EXPECT_EQ(std::memcmp(file.bytes().data(), "hello", 5), 0);
  MappedFile moved = std::move(file);
  EXPECT_EQ(moved.size(), 5u);
  EXPECT_EQ(file.size(), 0u);
}

TEST(MappedFile, DroppedPagesCanBeReadAgain) {
  ScratchFolder folder;
  std::string text(8 << 20, 'x');
  for (size_t i = 0; i < text.size(); i += 4096)
    text[i] = static_cast<char>('a' + i / 4096 % 26);
  std::string path = folder.write("large", text);
  MappedFile file(path);
  auto sum = [&] { return std::accumulate(text.begin(), text.end(), 0) - std::accumulate(file.bytes().begin(), file.bytes().end(), 0, [](int s, std::byte b) { return s + static_cast<int>(b); }); };
  auto resident = [&]() -> size_t {
    std::ifstream maps("/proc/self/smaps");
    for (std::string line; std::getline(maps, line);)
      if (line.ends_with(path))
        while (std::getline(maps, line))
          if (line.starts_with("Rss:"))
            return std::stoul(line.substr(4)) * 1024;
    return 0;
  };
  EXPECT_EQ(sum(), 0);
  EXPECT_GE(resident(), text.size());
  file.drop(file.bytes().subspan(1 << 20, 4 << 20));
  EXPECT_LE(resident(), text.size() / 2);
  EXPECT_GT(resident(), 0u);
  file.drop(std::as_bytes(std::span(text))); // not of this file: nothing happens
  EXPECT_EQ(text[1], 'x');
  EXPECT_EQ(sum(), 0);
  file.drop(file.bytes());
  EXPECT_EQ(resident(), 0u);
  EXPECT_EQ(sum(), 0);
}

TEST(MappedFile, EmptyFileIsValid) {
  ScratchFolder folder;
  MappedFile file(folder.write("a", ""));
  EXPECT_EQ(file.size(), 0u);
  EXPECT_TRUE(file.bytes().empty());
}

TEST(MappedFile, WhatCannotBeReadIsNamed) {
  ScratchFolder folder;
  expectError(902, [&] { MappedFile file(folder.path("none")); }, {"none"});
  expectError(902, [&] { MappedFile file(folder.path()); }, {"a folder"});
  ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
  expectError(902, [&] { MappedFile file(folder.path("pipe")); }, {"no regular file"});
}

TEST(FileReader, ReadsAtOffsetsAndNotBeyondTheEnd) {
  ScratchFolder folder;
  FileReader file(folder.write("a", "0123456789"));
  char part[4] = {};
  file.read(7, part, 3);
  EXPECT_STREQ(part, "789");
  expectError(902, [&] { file.read(8, part, 3); }, {"too early"});
}

TEST(ReadTextFile, LimitsTheSize) {
  ScratchFolder folder;
  std::string path = folder.write("a", std::string(100, 'x'));
  EXPECT_EQ(readTextFile(path).size(), 100u);
  expectError(902, [&] { readTextFile(path, 99); }, {"100 bytes"});
}

TEST(WhyNoFile, SaysWhatIsThere) {
  ScratchFolder folder;
  std::string file = folder.write("a", "x");
  EXPECT_EQ(whyNoFile(folder.path("none")), "no such file");
  EXPECT_EQ(whyNoFile(folder.path()), "a folder");
  EXPECT_EQ(whyNoFile(file + "/b"), "Not a directory");
  EXPECT_FALSE(isFile(folder.path()));
  EXPECT_TRUE(isFile(file));
}

} // namespace
} // namespace hb
