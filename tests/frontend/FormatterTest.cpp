#include "frontend/Formatter.h"
#include "frontend/ProgramFiles.h"

#include <gtest/gtest.h>

namespace hb {
namespace {

std::string format(const std::string &text) {
  SourceFile file("t.hb", text);
  DiagnosticSink sink;
  std::string result = formatProgram(file, sink);
  EXPECT_FALSE(sink.hasErrors()) << sink.render();
  return result;
}

struct Layout {
  const char *before, *after;
};
class FormatterLayout : public testing::TestWithParam<Layout> {};

TEST_P(FormatterLayout, IsAsTheTableSaysAndStays) {
  EXPECT_EQ(format(GetParam().before), GetParam().after);
  EXPECT_EQ(format(GetParam().after), GetParam().after);
}

INSTANTIATE_TEST_SUITE_P(
    Table, FormatterLayout,
    testing::Values(
        Layout{"let   x=1+2*-3", "let x = 1 + 2 * -3\n"}, Layout{"fn f(a:int=2,b){a-b}", "fn f(a: int = 2, b) { a - b }\n"},
        Layout{"let y = x [ : , 1 : ,newaxis ] . z", "let y = x[:, 1:, newaxis].z\n"}, Layout{"let r={a:1,b:[1,2]}", "let r = { a: 1, b: [1, 2] }\n"},
        Layout{"module M(c){\na:nn.L( 1 )// note\n\n\n\nfn(x:tensor[...,4;i64])->tensor[ ]{\nx\n}\n}\n",
               "module M(c) {\n  a: nn.L(1) // note\n\n  fn (x: tensor[..., 4; i64]) -> tensor[] {\n    x\n  }\n}\n"},
        Layout{"entry a.b for C,D(x:tensor[B]) if f(c) where B=1,fixed\nC=2->(y:tensor[B]){x}", "entry a.b for C, D (x: tensor[B]) if f(c) where B = 1, fixed\n    C = 2 -> (y: tensor[B]) { x }\n"},
        Layout{"let a = [\n1,\n2,\n]\n", "let a = [\n  1,\n  2,\n]\n"}, Layout{"let a = f(1,\n2)\n", "let a = f(1,\n          2)\n"},
        Layout{"fn f(x) {\nlet a = x +\n1\nlet b = for i in 0 .. 3 from (a, s = [ ]) =>\n(a, s)\nif a { 1 } else {\n2\n}\n}\n",
               "fn f(x) {\n  let a = x +\n    1\n  let b = for i in 0..3 from (a, s = []) =>\n    (a, s)\n  if a { 1 } else {\n    2\n  }\n}\n"},
        Layout{"// only a comment", "// only a comment\n"}, Layout{"", ""}));

TEST(Formatter, BrokenProgramsStayAsTheyAre) {
  SourceFile file("t.hb", "let x = = 3\n");
  DiagnosticSink sink;
  EXPECT_EQ(formatProgram(file, sink), file.text());
  EXPECT_TRUE(sink.hasErrors());
}

/// The models in the repository are formatted.
TEST(Formatter, BuiltInModelsAreFormatted) {
  ASSERT_NE(embeddedFilesBegin(), embeddedFilesEnd());
  for (auto file = embeddedFilesBegin(); file != embeddedFilesEnd(); ++file)
    EXPECT_EQ(format(std::string(file->text)), file->text) << "run hbc fmt models/" << file->path << ".hb";
}

} // namespace
} // namespace hb
