#include "frontend/Lexer.h"

#include <gtest/gtest.h>

namespace hb {
namespace {

std::vector<Token> tokens(const SourceFile &file, DiagnosticSink &sink) {
  std::vector<Token> all = lex(file, sink);
  all.pop_back();
  return all;
}

TEST(Lexer, NumbersRangesAndFields) {
  SourceFile file("t.hb", "0..12 1.5 2e-3 a.b 7...");
  DiagnosticSink sink;
  std::vector<std::string> texts;
  for (const Token &token : tokens(file, sink))
    texts.emplace_back(token.text());
  EXPECT_EQ(texts, (std::vector<std::string>{"0", "..", "12", "1.5", "2e-3", "a", ".", "b", "7", "..."}));
  EXPECT_FALSE(sink.hasErrors());
}

TEST(Lexer, ValuesOfLiterals) {
  SourceFile file("t.hb", "9223372036854775807 1e-5 \"a\\\"\\\\\\n\"");
  DiagnosticSink sink;
  auto all = tokens(file, sink);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].integer, INT64_MAX);
  EXPECT_EQ(all[1].real, 1e-5);
  EXPECT_EQ(all[2].string, "a\"\\\n");
}

TEST(Lexer, LineStartsAndDocs) {
  SourceFile file("t.hb", "/// one\n/// two\nmodule M // no doc\n\n/// lost\n\nfn");
  DiagnosticSink sink;
  auto all = tokens(file, sink);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].doc, "one\ntwo");
  EXPECT_TRUE(all[0].lineBefore);
  EXPECT_FALSE(all[1].lineBefore);
  EXPECT_EQ(all[2].doc, "");
}

struct BadText {
  const char *text;
  int number;
  unsigned column;
};
class LexerErrors : public testing::TestWithParam<BadText> {};

TEST_P(LexerErrors, NumberAndColumn) {
  SourceFile file("t.hb", GetParam().text);
  DiagnosticSink sink;
  lex(file, sink);
  ASSERT_EQ(sink.diagnostics().size(), 1u) << sink.render();
  const Diagnostic &diagnostic = sink.diagnostics()[0];
  EXPECT_EQ(diagnostic.number, GetParam().number);
  EXPECT_EQ(file.column(diagnostic.span.begin), GetParam().column);
}

INSTANTIATE_TEST_SUITE_P(Table, LexerErrors,
                         testing::Values(BadText{"a @ b", 101, 3}, BadText{"é", 101, 1}, BadText{"x 9223372036854775808", 101, 3}, BadText{"12ab", 101, 1},
                                         BadText{"1e999", 101, 1}, BadText{"  \"open", 102, 3}, BadText{"\"a\\q\"", 102, 3}, BadText{"\xff", 103, 1}));

TEST(Diagnostic, CaretStandsUnderTheCharacter) {
  SourceFile file("dir/t.hb", "let a = 1\n\tlet é = @@\n");
  DiagnosticSink sink;
  lex(file, sink);
  EXPECT_EQ(sink.exitCode(), ExitCode::BadFile);
  std::string text = sink.render();
  // The é is outside a string and an error itself; what matters is that columns count characters and tabs count one.
  EXPECT_NE(text.find("error HB0101: dir/t.hb:2:10:"), std::string::npos) << text;
  EXPECT_NE(text.find("  2 |  let é = @@\n    |          ^"), std::string::npos) << text;
}

TEST(Diagnostic, Suggestions) {
  EXPECT_EQ(closestName("softmx", {"sigmoid", "softmax", "split"}), "softmax");
  EXPECT_EQ(closestName("hiden_size", {"hidden_size", "hidden_act"}), "hidden_size");
  EXPECT_EQ(closestName("Q", {"B", "T"}), "");
  EXPECT_EQ(closestName("banana", {"softmax"}), "");
}

TEST(Diagnostic, SinkLimitsAndJoinsEqualOnes) {
  SourceFile file("t.hb", std::string(100, '@'));
  DiagnosticSink sink(5);
  lex(file, sink);
  EXPECT_EQ(sink.diagnostics().size(), 5u);
  EXPECT_EQ(sink.suppressed(), 95u);
  EXPECT_NE(sink.render().find("and 95 more"), std::string::npos);
  DiagnosticSink twice;
  lex(file, twice);
  size_t before = twice.diagnostics().size();
  lex(file, twice);
  EXPECT_EQ(twice.diagnostics().size(), before);
}

} // namespace
} // namespace hb
