#include "frontend/NameCheck.h"

#include <gtest/gtest.h>

namespace hb {
namespace {

const std::vector<std::string> kBuiltins = {"softmax", "len", "linear", "reshape", "enumerate"};

std::vector<std::string> check(const std::string &text) {
  DiagnosticSink sink;
  ProgramFiles files(sink);
  checkNames(*files.add("t.hb", text), files, kBuiltins, sink);
  std::vector<std::string> lines;
  for (const Diagnostic &diagnostic : sink.diagnostics())
    lines.push_back(diagnostic.render().substr(0, diagnostic.render().find('\n')));
  return lines;
}

TEST(NameCheck, SoundProgramsPass) {
  auto lines = check("import nn\nlet k = 3\nmodule M(config, n: int) {\n  let w = config.w + k\n  a: [for i in 0..n => nn.Linear(i, w)]\n  fn (x: tensor[B, T, n]) -> tensor[B, T * n] {\n"
                     "    let (y, s) = for (i, m) in enumerate(a) from (x, s = []) => { let x = m(x); (x, s + [x]) }\n    reshape(other(y), [B, T * n])\n  }\n"
                     "  fn other(x) { self.a[0](x) }\n}\nentry e (x: tensor[B]) where B = k -> (y: tensor[B, C]) { let z = config.q; M(config, 3)(x) }\n");
  EXPECT_EQ(lines, std::vector<std::string>());
}

TEST(NameCheck, EveryUnknownNameWithASuggestion) {
  auto lines = check("import nn, nnn\nmodule M(width: int) {\n  a: nn.Linera(widht, 3)\n  fn (x: tensor[B, 2 * Q]) { softmx(x) + B }\n}\nfn f(x) { [for i in x => j] }\n");
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0], "error HB0112: t.hb:1:12: expected a file nnn beside this one or among the built-in models; found none; did you mean \"nn\"?");
  EXPECT_EQ(lines[1], "error HB0120: t.hb:6:26: expected a name that is known here; found \"j\"; declare it, or import the file it is in");
  EXPECT_EQ(lines[2], "error HB0121: t.hb:3:6: expected a declaration of models/nn.hb; found \"Linera\"; did you mean \"Linear\"?");
  EXPECT_EQ(lines[3], "error HB0120: t.hb:3:16: expected a name that is known here; found \"widht\"; did you mean \"width\"?");
  EXPECT_EQ(lines[4], "error HB0120: t.hb:4:24: expected a name that is known here; found \"Q\"; declare it, or import the file it is in");
  EXPECT_EQ(lines[5], "error HB0120: t.hb:4:30: expected a name that is known here; found \"softmx\"; did you mean \"softmax\"?");
}

} // namespace
} // namespace hb
