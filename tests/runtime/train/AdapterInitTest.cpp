#include "runtime/train/AdapterInit.h"

#include "tests/runtime/pipeline/Sha256.h"
#include "tests/runtime/pipeline/TestData.h"

#include <algorithm>

namespace hb {
namespace {

TEST(AdapterInit, OrderAndValuesAsPeft) {
  size_t modules = 0;
  for (const nlohmann::json &table : test::rows("trainer.json", "lora_init")) {
    std::vector<AdapterSite> sites;
    for (const nlohmann::json &row : table["modules"])
      sites.push_back({row["path"], row["in"], row["out"]});
    // Whatever order the module lists its slots in, the draws come in PEFT's.
    std::sort(sites.begin(), sites.end(), [](const AdapterSite &a, const AdapterSite &b) { return a.path > b.path; });
    std::vector<AdapterModule> got = initialAdapter(sites, table["rank"], 4, table["seed"]);
    ASSERT_EQ(got.size(), table["modules"].size());
    for (size_t i = 0; i < got.size(); ++i, ++modules) {
      const nlohmann::json &want = table["modules"][i];
      ASSERT_EQ(got[i].path, want["path"].get<std::string>()) << i;
      EXPECT_EQ(got[i].a[0], want["first"][0].get<float>()) << got[i].path;
      EXPECT_EQ(test::sha256({reinterpret_cast<const uint8_t *>(got[i].a.data()), got[i].a.size() * sizeof(float)}), want["sha256"].get<std::string>()) << got[i].path;
      EXPECT_TRUE(std::all_of(got[i].b.begin(), got[i].b.end(), [](float v) { return v == 0; }));
      EXPECT_EQ(got[i].scale, 4);
    }
  }
  EXPECT_GT(modules, 100u);
}

TEST(AdapterInit, NumbersCountAsNumbers) {
  EXPECT_TRUE(modulePathLess("up_blocks.2.attn1.to_q", "up_blocks.10.attn1.to_q"));
  EXPECT_TRUE(modulePathLess("up_blocks.0.attentions.0", "mid_block.attentions.0"));
  EXPECT_TRUE(modulePathLess("a.to_v", "a.to_other")) << "unknown words come last";
  EXPECT_FALSE(modulePathLess("a.to_q", "a.to_q"));
}

} // namespace
} // namespace hb
