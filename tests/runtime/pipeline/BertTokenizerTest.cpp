// BLIP captions and BERT word pieces against LAVIS' rule and transformers' ids on a small vocabulary.
#include "runtime/pipeline/BertTokenizer.h"
#include "tests/runtime/pipeline/TestData.h"

namespace hb {
namespace {

using test::expectError;

std::vector<int32_t> ids(const nlohmann::json &list) { return list.get<std::vector<int32_t>>(); }

BertTokenizerFiles tiny() { return {"tiny", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n##ab\nσ\n##ς\n", std::nullopt}; }

TEST(BlipCaption, CaptionsOfTheTable) {
  nlohmann::json cases = test::rows("tokenizers.json", "blip_caption");
  ASSERT_GE(cases.size(), 10u);
  for (const auto &one : cases)
    EXPECT_EQ(blipCaption(one["text"].get<std::string>()), one["caption"].get<std::string>()) << one["text"];
}

TEST(BlipCaption, KeepsASingleTabAndTheFinalSigma) {
  EXPECT_EQ(blipCaption("a\tb \t c"), "a\tb c");
  EXPECT_EQ(blipCaption("ΟΔΟΣ ΣΑ Σ ΟΔΟΣª"), "οδος σα σ οδοσª");
  EXPECT_EQ(blipCaption("one two three", 2), "one two");
}

TEST(BertTokenizer, IdsOfTheTable) {
  BertTokenizer tokenizer = BertTokenizer::read(test::dataPath("bert"));
  nlohmann::json cases = test::rows("tokenizers.json", "bert");
  ASSERT_GE(cases.size(), 18u);
  for (const auto &one : cases) {
    std::string text = one["text"].get<std::string>();
    EXPECT_EQ(tokenizer.encode(text), ids(one["ids"])) << one["text"];
    EXPECT_EQ(tokenizer.encode(text, 32), ids(one["ids_max_32"])) << one["text"];
  }
}

TEST(BertTokenizer, IdsOfCaptions) {
  BertTokenizer tokenizer = BertTokenizer::read(test::dataPath("bert"));
  for (const auto &one : test::rows("tokenizers.json", "caption_to_bert"))
    EXPECT_EQ(tokenizer.encode(blipCaption(one["text"].get<std::string>()), 32), ids(one["ids_max_32"])) << one["text"];
}

TEST(BertTokenizer, PadsAndCuts) {
  BertTokenizer tokenizer = BertTokenizer::parse(tiny());
  EXPECT_EQ(tokenizer.encodePadded("ab", 6), (std::vector<int32_t>{2, 5, 6, 3, 0, 0}));
  EXPECT_EQ(tokenizer.encodePadded("ab a a a", 4), (std::vector<int32_t>{2, 5, 6, 3}));
  EXPECT_EQ(tokenizer.largestId(), 9);
}

TEST(BertTokenizer, LongestPieceFirstAndWholeWordsUnknown) {
  BertTokenizer tokenizer = BertTokenizer::parse(tiny());
  EXPECT_EQ(tokenizer.encode("aab"), (std::vector<int32_t>{2, 5, 7, 3}));
  EXPECT_EQ(tokenizer.encode("abx"), (std::vector<int32_t>{2, 1, 3}));
  // Lower case character by character: the last sigma stays σ here, unlike in a caption.
  EXPECT_EQ(tokenizer.encode("Σ"), (std::vector<int32_t>{2, 8, 3}));
}

TEST(BertTokenizer, RefusesBrokenFolders) {
  struct Row {
    int number;
    const char *word;
    void (*spoil)(BertTokenizerFiles &);
  };
  const Row rows[] = {
      {638, "pad_token", [](BertTokenizerFiles &f) { f.vocab = ""; }},
      {638, "mask_token", [](BertTokenizerFiles &f) { f.vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"; }},
      {636, "line 3", [](BertTokenizerFiles &f) { f.vocab = "[PAD]\n[UNK]\n[PAD]\n"; }},
      {636, "line 2", [](BertTokenizerFiles &f) { f.vocab = "[PAD]\n\xff\n"; }},
      {635, "tokenizer_class", [](BertTokenizerFiles &f) { f.config = R"({"tokenizer_class": "GPT2Tokenizer"})"; }},
      {633, "do_lower_case", [](BertTokenizerFiles &f) { f.config = R"({"do_lower_case": 1})"; }},
      {632, "tokenizer_config.json", [](BertTokenizerFiles &f) { f.config = "{"; }},
  };
  for (const Row &row : rows) {
    BertTokenizerFiles files = tiny();
    row.spoil(files);
    expectError(row.number, ExitCode::BadFile, row.word, [&] { BertTokenizer::parse(files); });
  }
  expectError(902, ExitCode::BadFile, "vocab.txt", [] { BertTokenizer::read(test::dataPath("nothing-here")); });
  expectError(601, ExitCode::Usage, "byte 0", [] { BertTokenizer::parse(tiny()).encode("\xff"); });
  expectError(601, ExitCode::Usage, "caption", [] { blipCaption("\xff"); });
}

} // namespace
} // namespace hb
