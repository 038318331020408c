// torch's generators to the bit: hashes of whole streams, for both CPU kernels.
#include "runtime/pipeline/Random.h"
#include "tests/runtime/pipeline/Sha256.h"
#include "tests/runtime/pipeline/TestData.h"

#include <cmath>
#include <numeric>

namespace hb {
namespace {

std::string hash(const std::vector<float> &values) { return test::sha256({reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(float)}); }

int64_t count(const nlohmann::json &shape) {
  int64_t n = 1;
  for (const auto &extent : shape)
    n *= extent.get<int64_t>();
  return n;
}

std::vector<float> normals(uint64_t seed, int64_t n, NormalKernel kernel = NormalKernel::Vector) {
  std::vector<float> values(static_cast<size_t>(n));
  CpuGenerator(seed).normal(values, kernel);
  return values;
}

TEST(Sha256, PublishedExamples) {
  EXPECT_EQ(test::sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const uint8_t abc[] = {'a', 'b', 'c'};
  EXPECT_EQ(test::sha256(abc), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(CpuGenerator, NormalStreams) {
  nlohmann::json cases = test::rows("rng.json", "randn");
  ASSERT_GE(cases.size(), 52u);
  for (const auto &one : cases)
    EXPECT_EQ(hash(normals(one["seed"].get<uint64_t>(), count(one["shape"]))), one["sha256_of_f32_le"].get<std::string>()) << one["seed"] << one["shape"];
}

TEST(CpuGenerator, NormalStreamsOfBothKernels) {
  nlohmann::json capabilities = test::rows("rng.json", "by_cpu_capability");
  ASSERT_EQ(capabilities.size(), 3u);
  for (const auto &capability : capabilities) {
    NormalKernel kernel = capability["capability"] == "DEFAULT" ? NormalKernel::Generic : NormalKernel::Vector;
    for (const auto &one : capability["randn"])
      EXPECT_EQ(hash(normals(one["seed"].get<uint64_t>(), one["n"].get<int64_t>(), kernel)), one["sha256_of_f32_le"].get<std::string>())
          << capability["capability"] << one["seed"];
  }
}

TEST(CpuGenerator, PortableKernelHasTheSameBits) {
  for (uint64_t seed : {0, 42, 93})
    EXPECT_EQ(normals(seed, 65536, NormalKernel::VectorPortable), normals(seed, 65536));
}

TEST(CpuGenerator, ConsecutiveDrawsShareTheWaitingNormal) {
  for (const auto &one : test::rows("rng.json", "randn_consecutive")) {
    CpuGenerator generator(one["seed"].get<uint64_t>());
    for (const auto &draw : one["draws"]) {
      std::vector<float> values(draw["n"].get<size_t>());
      generator.normal(values);
      EXPECT_EQ(values, draw["values"].get<std::vector<float>>()) << one["seed"] << draw["n"];
    }
  }
}

TEST(CpuGenerator, DoubleNormals) {
  for (const auto &one : test::rows("rng.json", "randn_float64")) {
    for (const char *key : {"first", "sixteen"}) {
      std::vector<double> expected = one[key].get<std::vector<double>>(), values(expected.size());
      CpuGenerator(one["seed"].get<uint64_t>()).normal(std::span<double>(values));
      EXPECT_EQ(values, expected) << one["seed"] << key;
    }
  }
}

TEST(CpuGenerator, Seeds) {
  EXPECT_EQ(normals((uint64_t(1) << 40) + 7, 20), normals(7, 20));
  EXPECT_EQ(hash(normals(uint64_t(-1), 17)), test::table("rng.json")["seeds"]["minus_one"]["sha256_of_f32_le"].get<std::string>());
  CpuGenerator generator(5);
  std::vector<float> three(3);
  generator.normal(three);
  generator.manualSeed(5);
  generator.normal(three);
  EXPECT_EQ(three, normals(5, 3)); // no normal waited from before
}

TEST(CpuGenerator, OneOrSeveralGenerators) {
  nlohmann::json row = test::rows("rng.json", "diffusers_randn_tensor");
  const nlohmann::json &single = row["one_generator"];
  EXPECT_EQ(hash(normals(single["seed"].get<uint64_t>(), count(single["shape"]))), single["sha256_of_f32_le"].get<std::string>());
  std::vector<float> all;
  for (const auto &seed : row["list_of_generators"]["seeds"]) {
    std::vector<float> one = normals(seed.get<uint64_t>(), 256);
    all.insert(all.end(), one.begin(), one.end());
  }
  EXPECT_EQ(hash(all), row["list_of_generators"]["sha256_of_f32_le"].get<std::string>());
}

TEST(CpuGenerator, Uniforms) {
  for (const auto &one : test::rows("rng.json", "rand")) {
    std::vector<float> values(size_t(count(one["shape"])));
    CpuGenerator(one["seed"].get<uint64_t>()).uniform(values);
    EXPECT_EQ(hash(values), one["sha256_of_f32_le"].get<std::string>()) << one["seed"] << one["shape"];
  }
}

TEST(CpuGenerator, KaimingUniform) {
  for (const auto &one : test::rows("rng.json", "kaiming_uniform_a_sqrt5")) {
    std::vector<float> values(size_t(count(one["shape"])));
    CpuGenerator(one["seed"].get<uint64_t>()).kaimingUniform(values, one["shape"][1].get<int64_t>());
    EXPECT_EQ(hash(values), one["sha256_of_f32_le"].get<std::string>()) << one["seed"] << one["shape"];
  }
}

TEST(CpuGenerator, AdapterMatricesFromOneStream) {
  nlohmann::json row = test::rows("rng.json", "peft_style_init_order");
  CpuGenerator generator(row["seed"].get<uint64_t>());
  for (const auto &weight : row["weights"]) {
    std::vector<float> values(size_t(count(weight["shape"])));
    generator.kaimingUniform(values, weight["shape"][1].get<int64_t>());
    EXPECT_EQ(hash(values), weight["sha256_of_f32_le"].get<std::string>()) << weight["shape"];
  }
}

TEST(CpuGenerator, IntegersAndPermutations) {
  nlohmann::json rng = test::table("rng.json");
  for (const auto &one : rng["randint"]) {
    std::vector<int64_t> values(16);
    CpuGenerator(one["seed"].get<uint64_t>()).integers(values, one["low"].get<int64_t>(), one["high"].get<int64_t>());
    EXPECT_EQ(values, one["values"].get<std::vector<int64_t>>()) << one["seed"];
  }
  for (const auto &one : rng["randperm"])
    EXPECT_EQ(CpuGenerator(one["seed"].get<uint64_t>()).permutation(one["n"].get<int64_t>()), one["values"].get<std::vector<int64_t>>()) << one["seed"];
}

TEST(Philox, PublishedExamples) {
  // Known answers of the Random123 distribution for philox4x32 with 10 rounds (counter 0, key 0; all ones; digits of π).
  struct Row {
    uint64_t key, low, high;
    uint32_t words[4];
  };
  const Row rows[] = {
      {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {~uint64_t(0), ~uint64_t(0), ~uint64_t(0), {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Row &row : rows) {
    PhiloxBlock block = philox(row.key, row.low, row.high);
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(block.word[i], row.words[i]) << i;
  }
}

TEST(CudaGenerator, ValuesOfTheTable) {
  nlohmann::json cuda = test::rows("rng.json", "cuda");
  ASSERT_EQ(cuda["randn"].size(), 3u);
  for (const auto &one : cuda["randn"]) {
    std::vector<float> values(one["n"].get<size_t>());
    CudaGenerator(one["seed"].get<uint64_t>()).normal(values);
    // The table has six decimals.
    for (size_t i = 0; i < 8; ++i)
      EXPECT_NEAR(values[i], one["first"][i].get<double>(), 1e-6) << one["seed"] << i;
    EXPECT_NEAR(values[16384], one["at_16384"].get<double>(), 1e-6);
    EXPECT_NEAR(values.back(), one["last"].get<double>(), 1e-6);
  }
}

TEST(CudaGenerator, FewThreadsLoopAndAdvance) {
  // 256 threads, 2,000 elements: thread i writes normals 0 … 3 of its block to i, i+256, i+512, i+768, then those of the next block.
  std::vector<float> many(2000), first(256);
  CudaGenerator(7, 256).normal(many);
  CudaGenerator single(7, 256);
  single.normal(first);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), many.begin()));
  single.normal(first); // the second call goes on with the next block
  EXPECT_TRUE(std::equal(first.begin(), first.end(), many.begin() + 1024));
  float mean = std::accumulate(many.begin(), many.end(), 0.0f) / 2000;
  EXPECT_NEAR(mean, 0, 0.1);
}

} // namespace
} // namespace hb
