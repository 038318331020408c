#include "runtime/train/Manifest.h"

#include "tests/runtime/base/ScratchFolder.h"

#include "runtime/pipeline/Random.h"
#include "runtime/train/Crc32c.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <set>

namespace hb {
namespace {

using test::expectError;

TEST(Crc32c, PublishedVectors) {
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xE3069283u);
}

TEST(Manifest, ReadsRecords) {
  Manifest m = Manifest::parse("{\"image\": \"a.png\", \"prompt\": \"two cats\", \"id\": 7}\n\n"
                               "{\"image\": \"/abs/b.png\", \"prompt\": \"p\", \"context_description\": \"a longer text\", \"seed\": 5}\r\n",
                               "/data/train.jsonl");
  ASSERT_EQ(m.records.size(), 2u);
  EXPECT_EQ(m.records[0].image, "/data/a.png");
  EXPECT_EQ(m.records[0].text(), "two cats");
  EXPECT_FALSE(m.records[0].seed);
  EXPECT_EQ(m.records[1].image, "/abs/b.png");
  EXPECT_EQ(m.records[1].text(), "a longer text");
  EXPECT_EQ(m.records[1].seed, 5);
  EXPECT_EQ(m.records[1].line, 3);
  EXPECT_NE(m.fingerprint, Manifest::parse("{\"image\": \"a.png\", \"prompt\": \"two cats\"}\n", "x").fingerprint);
}

TEST(Manifest, ErrorsNameTheLine) {
  auto parse = [](const std::string &text, bool seeds = false) { return [=] { Manifest::parse(text, "m.jsonl", seeds); }; };
  std::string good = "{\"image\": \"a\", \"prompt\": \"p\"}\n";
  expectError(655, parse(good + "{\"image\": \"a\"\n"), {"m.jsonl:2"});
  expectError(655, parse(good + "{\"prompt\": \"a\"}\n"), {"m.jsonl:2", "image"});
  expectError(655, parse(good + "{\"image\": 3, \"prompt\": \"a\"}\n"), {"m.jsonl:2", "image"});
  expectError(655, parse(good + "{\"image\": \"a\", \"prompt\": \"\"}\n"), {"m.jsonl:2", "prompt"});
  expectError(655, parse(good + "[]\n"), {"m.jsonl:2", "object"});
  expectError(655, parse(good + "{\"image\": \"a\", \"prompt\": \"p\", \"seed\": 1.5}\n"), {"m.jsonl:2", "seed"});
  expectError(655, parse(good, true), {"m.jsonl:1", "seed", "-1"});
  expectError(656, parse("\n\n"), {"m.jsonl"});
  expectError(902, [] { Manifest::read("/nowhere/m.jsonl"); });
}

TEST(RecordOrder, AsTorchsRandperm) {
  nlohmann::json table = nlohmann::json::parse(std::ifstream(std::string(HB_TEST_DATA) + "/data/trainer.json"));
  ASSERT_FALSE(table["orders"].empty());
  for (const nlohmann::json &row : table["orders"]) {
    int64_t n = row["n"], epoch = row["epoch"];
    RecordOrder order(n, true, row["seed"]);
    for (int64_t i = 0; i < n; ++i)
      EXPECT_EQ(order.at(epoch * n + i), row["order"][i].get<int64_t>());
  }
}

TEST(RecordOrder, AsTheRecordedRunOfTorchsTrainer) {
  nlohmann::json record = nlohmann::json::parse(std::ifstream(std::string(HB_TEST_DATA) + "/../../parity/trainer/record.json"));
  RecordOrder order(200, true, 3); // trainer/train.toml, models/shapes/data/train.jsonl
  ASSERT_EQ(record["order"].size(), 40u);
  for (size_t i = 0; i < record["order"].size(); ++i) {
    EXPECT_EQ(order.at(static_cast<int64_t>(i)), record["order"][i].get<int64_t>());
    std::vector<float> noise(4 * 16 * 16);
    CpuGenerator(record["seeds"][i].get<uint64_t>()).normal(std::span<float>(noise));
    EXPECT_EQ(crc32c(std::as_bytes(std::span(noise))), record["latents_crc32c"][i].get<uint32_t>()) << "the initial latents of sample " << i;
  }
}

TEST(RecordOrder, AnyPositionWithoutWalking) {
  RecordOrder walking(7, true, 11), jumping(7, true, 11), plain(7, false, 11);
  std::set<int64_t> epoch;
  for (int64_t i = 0; i < 30; ++i) {
    int64_t record = walking.at(i);
    if (i < 7)
      epoch.insert(record);
    EXPECT_EQ(plain.at(i), i % 7);
    EXPECT_EQ(RecordOrder(7, true, 11).at(i), record);
  }
  EXPECT_EQ(epoch.size(), 7u) << "every record once an epoch";
  EXPECT_EQ(jumping.at(29), walking.at(29));
  EXPECT_EQ(jumping.at(3), walking.at(3)) << "and back";
}

} // namespace
} // namespace hb
