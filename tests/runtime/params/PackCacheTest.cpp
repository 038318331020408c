#include "runtime/params/PackCache.h"

#include "runtime/params/PackWork.h"
#include "tests/runtime/base/ScratchFolder.h"

#include <cstring>
#include <thread>

namespace hb {
namespace {

using namespace test;

std::vector<std::byte> piece(size_t size, int seed) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>(i * 31 + seed);
  return bytes;
}

const std::vector<uint64_t> kSizes = {100, 0, 64 * 1024 + 3, 5};

struct Fixture {
  ScratchFolder folder;
  std::vector<std::string> warnings;
  PackCacheOptions options;
  Fixture() {
    options.enabled = true;
    options.directory = folder.path("cache");
    options.warn = [this](const std::string &text) { warnings.push_back(text); };
  }
  bool put(const std::string &identity) {
    PackCache cache(options);
    auto writer = cache.write(identity, kSizes);
    if (!writer)
      return false;
    for (size_t i = 0; i < kSizes.size(); ++i)
      writer->append(piece(kSizes[i], static_cast<int>(i)));
    writer->commit();
    return true;
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> out;
    for (const auto &entry : std::filesystem::directory_iterator(options.directory))
      out.push_back(entry.path());
    return out;
  }
};

TEST(PackCache, WhatWasWrittenComesBackAligned) {
  Fixture f;
  EXPECT_FALSE(PackCache(f.options).find("a", kSizes));
  ASSERT_TRUE(f.put("a"));
  auto file = PackCache(f.options).find("a", kSizes);
  ASSERT_TRUE(file);
  auto offsets = packCacheOffsets(kSizes);
  for (size_t i = 0; i < kSizes.size(); ++i) {
    EXPECT_EQ(offsets[i] % 64, 0u);
    EXPECT_GE(offsets[i + 1] - offsets[i] - kSizes[i], 64u) << "a readable tail";
    auto want = piece(kSizes[i], static_cast<int>(i));
    EXPECT_TRUE(std::equal(want.begin(), want.end(), file->bytes().data() + offsets[i])); // memcmp may not see an empty vector
  }
  EXPECT_FALSE(PackCache(f.options).find("b", kSizes));
  EXPECT_FALSE(PackCache(f.options).find("a", {100, 0}));
  EXPECT_TRUE(f.warnings.empty());
}

TEST(PackCache, DamageAnywhereIsNoticedAndReported) {
  Fixture f;
  ASSERT_TRUE(f.put("identity"));
  std::string path = f.files()[0], sound = contentsOf(path);
  auto broken = [&](const std::string &contents) {
    std::ofstream(path, std::ios::binary) << contents;
    f.warnings.clear();
    EXPECT_FALSE(PackCache(f.options).find("identity", kSizes));
    EXPECT_EQ(f.warnings.size(), 1u);
  };
  for (size_t keep : {size_t(0), size_t(10), sound.size() / 2, sound.size() - 64, sound.size() - 1})
    broken(sound.substr(0, keep));
  broken(sound + std::string(64, '\0'));
  // Every region: a sampled block of the pieces, the sizes, the tail.
  for (size_t at : {size_t(0), sound.size() - 64 - 8, sound.size() - 30}) {
    std::string changed = sound;
    changed[at] ^= 1;
    broken(changed);
  }
  // A file system that lost the middle (zeros in place of a lot of blocks) after a power cut.
  std::string hole = sound;
  std::fill(hole.begin() + 16 * 1024, hole.begin() + 40 * 1024, '\0');
  broken(hole);
  ASSERT_TRUE(f.put("identity"));
  EXPECT_TRUE(PackCache(f.options).find("identity", kSizes)) << "written anew";
}

TEST(PackCache, AnUnfinishedWriteLeavesNothing) {
  Fixture f;
  {
    PackCache cache(f.options);
    auto writer = cache.write("a", kSizes);
    writer->append(piece(100, 0));
  }
  EXPECT_TRUE(f.files().empty());
}

TEST(PackCache, ThoseNotUsedLongestGoFirst) {
  Fixture f;
  f.options.limitBytes = 160 * 1024; // two files of 65 KiB
  ASSERT_TRUE(f.put("one"));
  ASSERT_TRUE(f.put("two"));
  for (auto &path : f.files()) // an hour ago; then "one" is used
    std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  ASSERT_TRUE(PackCache(f.options).find("one", kSizes));
  ASSERT_TRUE(f.put("three"));
  PackCache cache(f.options);
  EXPECT_TRUE(cache.find("one", kSizes));
  EXPECT_FALSE(cache.find("two", kSizes));
  EXPECT_TRUE(cache.find("three", kSizes));
  f.options.limitBytes = 1024;
  EXPECT_FALSE(f.put("four"));
  EXPECT_EQ(f.files().size(), 2u) << "nothing makes room for what cannot fit";
  EXPECT_EQ(f.warnings.size(), 1u);
}

TEST(PackCache, LeftoversOfKilledProcessesGo) {
  Fixture f;
  std::string old = f.folder.write("cache/.0123.hbpack.1-0.tmp", "x"), fresh = f.folder.write("cache/.0123.hbpack.2-0.tmp", "x");
  std::filesystem::last_write_time(old, std::filesystem::file_time_type::clock::now() - std::chrono::hours(30));
  ASSERT_TRUE(f.put("a"));
  EXPECT_FALSE(std::filesystem::exists(old));
  EXPECT_TRUE(std::filesystem::exists(fresh));
}

TEST(PackCache, WritersAtTheSameTime) {
  Fixture f;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round)
        EXPECT_TRUE(f.put("same"));
    });
  for (auto &thread : threads)
    thread.join();
  EXPECT_EQ(f.files().size(), 1u);
  EXPECT_TRUE(PackCache(f.options).find("same", kSizes));
  EXPECT_TRUE(f.warnings.empty());
}

TEST(PackCache, NoFolderIsAWarning) {
  Fixture f;
  f.options.directory = f.folder.write("file", "x");
  EXPECT_FALSE(PackCache(f.options).usable());
  EXPECT_EQ(f.warnings.size(), 1u);
  f.options.enabled = false;
  EXPECT_FALSE(PackCache(f.options).usable());
  EXPECT_EQ(f.warnings.size(), 1u) << "off is silent";
}

TEST(SampledHash, PiecesDoNotMatterBytesDo) {
  for (size_t size : {size_t(0), size_t(1), size_t(5000), size_t(1000000)}) {
    auto bytes = piece(size, 1);
    SampledHash whole(size), parts(size);
    whole.update(bytes);
    for (size_t at = 0; at < size; at += 777)
      parts.update(std::span(bytes).subspan(at, std::min<size_t>(777, size - at)));
    EXPECT_EQ(whole.value(), parts.value());
    if (!size)
      continue;
    for (size_t at : {size_t(0), size - 1}) {
      bytes[at] ^= std::byte{1};
      SampledHash changed(size);
      changed.update(bytes);
      EXPECT_NE(changed.value(), whole.value()) << size << " at " << at;
      bytes[at] ^= std::byte{1};
    }
  }
}

TEST(PackWork, ThreadsGiveTheSameBytes) {
  WeightSpec spec{{{"", "w", DType::F32, {3000, 301}}}, WeightLayout::Panel16, DType::F32, {3000, 301}};
  auto values = piece(3000 * 301 * 4, 3);
  std::vector<std::byte> one(packedSize(spec)), four(one.size());
  PackWork work;
  work.add(spec, {{DType::F32, values.data()}}, one.data());
  work.run(1);
  work.add(spec, {{DType::F32, values.data()}}, four.data());
  work.run(4);
  EXPECT_EQ(one, four);
}

TEST(PackWork, TellsWhatItHasRead) {
  std::vector<std::byte> target;
  auto values = piece(3000 * 301 * 4, 3);
  for (bool transposed : {false, true}) {
    WeightSpec spec{{{"", "w", DType::F32, transposed ? std::vector<int64_t>{301, 3000} : std::vector<int64_t>{3000, 301}}}, WeightLayout::Panel16, DType::F32, {3000, 301}, transposed};
    target.resize(packedSize(spec));
    std::vector<std::pair<double, double>> read;
    PackWork work;
    work.add(spec, {{DType::F32, values.data()}}, target.data(), [&](double first, double last) { read.emplace_back(first, last); });
    work.run(1);
    ASSERT_FALSE(read.empty());
    EXPECT_EQ(read.back(), std::pair(0.0, 1.0));
    // 3.6 MB in parts of about 1: all but the last one tell of their own rows, unless every part needs all rows.
    EXPECT_EQ(read.size() > 1, !transposed);
    for (size_t i = 0; i + 1 < read.size(); ++i)
      EXPECT_EQ(read[i].first, i ? read[i - 1].second : 0.0);
  }
}

} // namespace
} // namespace hb
