// CLIP's byte-pair encoder against transformers' ids on the published vocabulary, and against broken folders.
#include "runtime/pipeline/ClipTokenizer.h"
#include "tests/runtime/pipeline/TestData.h"

#include <filesystem>

namespace hb {
namespace {

using test::expectError;

/// The published vocabulary with the settings of SDXL's two tokenizers, which differ in the padding token.
ClipTokenizer published(const std::string &pad) {
  ClipTokenizerFiles files = ClipTokenizer::readFiles(test::dataPath("clip"));
  files.config = R"({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": ")" + pad + "\"}";
  return ClipTokenizer::parse(files);
}

/// A vocabulary small enough to write down: the bytes a, b, c, a merge, and the special tokens.
ClipTokenizerFiles tiny() {
  return {"tiny", R"({"a": 0, "b": 1, "c": 2, "a</w>": 3, "b</w>": 4, "c</w>": 5, "ab": 6, "abc</w>": 7, "<|startoftext|>": 8, "<|endoftext|>": 9, "!": 10})",
          "#version: 0.2\na b\nab c</w>\n", std::nullopt, std::nullopt};
}

std::vector<int32_t> ids(const nlohmann::json &list) { return list.get<std::vector<int32_t>>(); }

TEST(ClipTokenizer, UntruncatedIdsOfTheTable) {
  ClipTokenizer tokenizer = published("<|endoftext|>");
  nlohmann::json cases = test::rows("tokenizers.json", "clip");
  ASSERT_GE(cases.size(), 67u);
  for (const auto &one : cases)
    EXPECT_EQ(tokenizer.encode(one["text"].get<std::string>()), ids(one["ids"])) << one["text"];
}

TEST(ClipTokenizer, PaddedIdsOfBothTokenizers) {
  ClipTokenizer first = published("<|endoftext|>"), second = published("!");
  for (const auto &one : test::rows("tokenizers.json", "clip")) {
    std::string text = one["text"].get<std::string>();
    EXPECT_EQ(first.encodePadded(text), ids(one["padded_77_with_49407"])) << one["text"];
    EXPECT_EQ(second.encodePadded(text), ids(one["padded_77_with_0"])) << one["text"];
  }
}

TEST(ClipTokenizer, ReadsTheFolderItself) {
  ClipTokenizer tokenizer = ClipTokenizer::read(test::dataPath("clip"));
  EXPECT_EQ(tokenizer.startId(), 49406);
  EXPECT_EQ(tokenizer.endId(), 49407);
  EXPECT_EQ(tokenizer.padId(), 49407);
  EXPECT_EQ(tokenizer.largestId(), 49407);
  EXPECT_EQ(tokenizer.modelMaxLength(), 77);
}

TEST(ClipTokenizer, ConfigBeforeSpecialTokensMap) {
  ClipTokenizerFiles files = tiny();
  files.specials = R"({"pad_token": "!", "eos_token": {"content": "<|endoftext|>", "normalized": true}})";
  EXPECT_EQ(ClipTokenizer::parse(files).padId(), 10);
  files.config = R"({"pad_token": "<|endoftext|>", "model_max_length": 5})";
  ClipTokenizer tokenizer = ClipTokenizer::parse(files);
  EXPECT_EQ(tokenizer.padId(), 9);
  EXPECT_EQ(tokenizer.encodePadded("ab abc"), (std::vector<int32_t>{8, 6 - 6, 4, 7, 9}));
  EXPECT_EQ(tokenizer.encodePadded("ab", 6), (std::vector<int32_t>{8, 0, 4, 9, 9, 9}));
}

TEST(ClipTokenizer, AddedTokensBringTheirIdsAndFlags) {
  ClipTokenizerFiles files = tiny();
  files.config = R"({"added_tokens_decoder": {"11": {"content": "<A>", "normalized": false}, "12": {"content": "<B>", "normalized": true}}})";
  ClipTokenizer tokenizer = ClipTokenizer::parse(files);
  EXPECT_EQ(tokenizer.largestId(), 12);
  // Cut out before normalising: only as written. Cut out after it: in any case.
  EXPECT_EQ(tokenizer.encode("c<A>c<b>"), (std::vector<int32_t>{8, 5, 11, 5, 12, 9}));
  EXPECT_EQ(tokenizer.encode("<a>"), (std::vector<int32_t>{8, 9, 3, 9, 9})); // <, > have no piece: the unknown token
}

TEST(ClipTokenizer, LongestSpecialTokenWins) {
  ClipTokenizerFiles files = tiny();
  files.config = R"({"added_tokens_decoder": {"11": {"content": "ab"}, "12": {"content": "abc"}}})";
  EXPECT_EQ(ClipTokenizer::parse(files).encode("abcab"), (std::vector<int32_t>{8, 12, 11, 9}));
}

TEST(ClipTokenizer, MergesByRankThenFromTheLeft) {
  ClipTokenizerFiles files = tiny();
  files.vocab = R"({"a": 0, "a</w>": 1, "aa": 2, "aaa</w>": 3, "<|startoftext|>": 8, "<|endoftext|>": 9})";
  files.merges = "#version: 0.2\na a\naa a</w>\n";
  ClipTokenizer tokenizer = ClipTokenizer::parse(files);
  EXPECT_EQ(tokenizer.encode("aaaaa"), (std::vector<int32_t>{8, 2, 3, 9}));
  EXPECT_EQ(tokenizer.encode("aaaa"), (std::vector<int32_t>{8, 2, 0, 1, 9}));
}

TEST(ClipTokenizer, LongPiecesTakeNoQuadraticTime) {
  ClipTokenizer tokenizer = published("<|endoftext|>");
  EXPECT_GT(tokenizer.encode(std::string(65536, 'a')).size(), 1000u);
  expectError(602, ExitCode::Usage, "65537", [&] { tokenizer.encode(std::string(65537, 'a')); });
}

TEST(ClipTokenizer, RefusesTextThatIsNotUtf8) {
  ClipTokenizer tokenizer = ClipTokenizer::parse(tiny());
  for (const char *text : {"ab\xff", "ab\xc3", "ab\xed\xa0\x80", "ab\xc0\x80"})
    expectError(601, ExitCode::Usage, "byte 2", [&] { tokenizer.encode(text); });
}

TEST(ClipTokenizer, RefusesBrokenFolders) {
  struct Row {
    int number;
    const char *word;
    void (*spoil)(ClipTokenizerFiles &);
  };
  const Row rows[] = {
      {632, "vocab.json", [](ClipTokenizerFiles &f) { f.vocab = "{\"a\": 1"; }},
      {632, "vocab.json", [](ClipTokenizerFiles &f) { f.vocab = ""; }},
      {632, "vocab.json", [](ClipTokenizerFiles &f) { f.vocab = "[1, 2]"; }},
      {632, "twice", [](ClipTokenizerFiles &f) { f.vocab = R"({"a": 1, "a": 2})"; }},
      {636, "one piece", [](ClipTokenizerFiles &f) { f.vocab = "{}"; }},
      {636, "id 1 twice", [](ClipTokenizerFiles &f) { f.vocab = R"({"a": 1, "b": 1})"; }},
      {636, "\"a\"", [](ClipTokenizerFiles &f) { f.vocab = R"({"a": -1})"; }},
      {636, "\"a\"", [](ClipTokenizerFiles &f) { f.vocab = R"({"a": 1.5})"; }},
      {636, "\"a\"", [](ClipTokenizerFiles &f) { f.vocab = R"({"a": 9223372036854775807})"; }},
      {636, "\"a\"", [](ClipTokenizerFiles &f) { f.vocab = R"({"a": 18446744073709551615})"; }},
      {637, "line 2", [](ClipTokenizerFiles &f) { f.merges = "#version: 0.2\na\n"; }},
      {637, "line 1", [](ClipTokenizerFiles &f) { f.merges = "a b c\n"; }},
      {637, "line 1", [](ClipTokenizerFiles &f) { f.merges = " b\n"; }},
      {637, "not in vocab", [](ClipTokenizerFiles &f) { f.merges = "a z\n"; }},
      {637, "not in vocab", [](ClipTokenizerFiles &f) { f.merges = "b a\n"; }},
      {638, "pad_token", [](ClipTokenizerFiles &f) { f.config = R"({"pad_token": "?"})"; }},
      {638, "bos_token", [](ClipTokenizerFiles &f) { f.vocab = R"({"a": 0, "b": 1, "c</w>": 2, "ab": 3, "abc</w>": 4, "<|endoftext|>": 9})"; }},
      {633, "pad_token", [](ClipTokenizerFiles &f) { f.config = R"({"pad_token": 3})"; }},
      {633, "eos_token", [](ClipTokenizerFiles &f) { f.specials = R"({"eos_token": {"content": 3}})"; }},
      {633, "normalized", [](ClipTokenizerFiles &f) { f.specials = R"({"eos_token": {"content": "a", "normalized": "no"}})"; }},
      {633, "model_max_length", [](ClipTokenizerFiles &f) { f.config = R"({"model_max_length": 1})"; }},
      {633, "model_max_length", [](ClipTokenizerFiles &f) { f.config = R"({"model_max_length": "long"})"; }},
      {633, "added_tokens_decoder", [](ClipTokenizerFiles &f) { f.config = R"({"added_tokens_decoder": {"99999999": {"content": "x"}}})"; }},
      {633, "added_tokens_decoder", [](ClipTokenizerFiles &f) { f.config = R"({"added_tokens_decoder": {"-1": {"content": "x"}}})"; }},
      {633, "added_tokens_decoder", [](ClipTokenizerFiles &f) { f.config = R"({"added_tokens_decoder": [1]})"; }},
      {635, "tokenizer_class", [](ClipTokenizerFiles &f) { f.config = R"({"tokenizer_class": "T5Tokenizer"})"; }},
      {635, "single_word", [](ClipTokenizerFiles &f) { f.specials = R"({"eos_token": {"content": "<|endoftext|>", "single_word": true}})"; }},
      {632, "tokenizer_config.json", [](ClipTokenizerFiles &f) { f.config = "<html>"; }},
  };
  for (const Row &row : rows) {
    ClipTokenizerFiles files = tiny();
    row.spoil(files);
    expectError(row.number, ExitCode::BadFile, row.word, [&] { ClipTokenizer::parse(files); });
  }
}

TEST(ClipTokenizer, RefusesAMissingFolder) {
  expectError(902, ExitCode::BadFile, "vocab.json", [] { ClipTokenizer::read(test::dataPath("nothing-here")); });
}

} // namespace
} // namespace hb
