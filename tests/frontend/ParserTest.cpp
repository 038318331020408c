#include "frontend/Parser.h"

#include <gtest/gtest.h>

namespace hb {
namespace {

using namespace ast;

/// A file, its tree and what was reported.
struct Parsed {
  explicit Parsed(std::string text) : source("t.hb", std::move(text)), tree(parse(source, sink)) {}
  DiagnosticSink sink;
  SourceFile source;
  std::unique_ptr<File> tree;
};

/// An expression in prefix form, to see how operators bind.
std::string prefix(const Expr &expr) {
  switch (expr.kind) {
  case ExprKind::Unary: return "(" + expr.text + " " + prefix(*expr.items[0]) + ")";
  case ExprKind::Binary: return "(" + expr.text + " " + prefix(*expr.items[0]) + " " + prefix(*expr.items[1]) + ")";
  case ExprKind::Call: {
    std::string text = "call(" + prefix(*expr.items[0]);
    for (const Named &argument : expr.named)
      text += " " + (argument.name.empty() ? "" : argument.name + ":") + prefix(*argument.value);
    return text + ")";
  }
  case ExprKind::Field: return prefix(*expr.items[0]) + "." + expr.text;
  case ExprKind::Index: return prefix(*expr.items[0]) + "[" + std::to_string(expr.indices.size()) + "]";
  case ExprKind::Tuple: return "tuple" + std::to_string(expr.items.size());
  case ExprKind::List: return "list" + std::to_string(expr.items.size());
  case ExprKind::Record: return "record" + std::to_string(expr.named.size());
  case ExprKind::Block: return "{" + std::to_string(expr.body.size()) + " " + prefix(*expr.items[0]) + "}";
  default: return std::string(expr.span.text());
  }
}

std::string expression(const std::string &text) {
  Parsed parsed("let x = " + text + "\n");
  if (parsed.sink.hasErrors())
    return parsed.sink.render();
  return prefix(*parsed.tree->constants.at(0).value);
}

TEST(Parser, Precedence) {
  EXPECT_EQ(expression("1 + 2 * 3 - 4"), "(- (+ 1 (* 2 3)) 4)");
  EXPECT_EQ(expression("-a * b"), "(* (- a) b)");
  EXPECT_EQ(expression("0..n - 1"), "(.. 0 (- n 1))");
  EXPECT_EQ(expression("not a == b and c or d"), "(or (and (not (== a b)) c) d)");
  EXPECT_EQ(expression("-f(x)[0].y"), "(- call(f x)[1].y)");
  EXPECT_EQ(expression("m(1, eps: 2)(x)"), "call(call(m 1 eps:2) x)");
}

TEST(Parser, BracesAreRecordsOrBlocks) {
  EXPECT_EQ(expression("{ a: 1, 2: b }"), "record2");
  EXPECT_EQ(expression("{}"), "record0");
  EXPECT_EQ(expression("{ reward.blip2: a, b: 1 }"), "record2");
  EXPECT_EQ(expression("{ let y = 1; y }"), "{1 y}");
  EXPECT_EQ(expression("{ x[1:] }"), "{0 x[1]}");
}

TEST(Parser, LinesEndStatements) {
  // A minus, a parenthesis or a bracket at the start of a line does not continue the line above; other operators do.
  Parsed parsed("fn f(a) {\n  let b = a\n    + 1\n  let c = [\n    1,\n    2,\n  ]\n  b\n}\n");
  EXPECT_FALSE(parsed.sink.hasErrors()) << parsed.sink.render();
  EXPECT_EQ(parsed.tree->functions[0]->body->body.size(), 2u);
  Parsed minus("fn f(a) {\n  let b = a\n  -b\n}\n");
  EXPECT_FALSE(minus.sink.hasErrors()) << minus.sink.render();
  EXPECT_EQ(prefix(*minus.tree->functions[0]->body), "{1 (- b)}");
}

TEST(Parser, ModuleMembers) {
  Parsed parsed("module M(config, n: int = 3) {\n  a: L(1)\n  b \"key.b\": L(2)\n  \"c\": L(3)\n  (\"d\" + str(n)): L(4)\n  in: L(5)\n  ignore \"x.*\", \"y\"\n  adapters\n"
                "  if n > 2 { e: L(6) } else if n > 1 { f: L(7) } else { g: L(8) }\n  for i in 0..n { (str(i)): L(i) }\n  fn (x: tensor[..., n]) -> tensor[] { x }\n  fn go() { 1 }\n}\n");
  ASSERT_FALSE(parsed.sink.hasErrors()) << parsed.sink.render();
  const Body &body = parsed.tree->modules.at(0)->body;
  ASSERT_EQ(body.size(), 11u);
  EXPECT_EQ(body[1].name, "b");
  EXPECT_EQ(body[1].key->text, "key.b");
  EXPECT_EQ(body[2].name, "");
  EXPECT_EQ(body[4].name, "in");
  EXPECT_EQ(body[5].patterns.size(), 2u);
  EXPECT_EQ(body[6].kind, StmtKind::Adapters);
  EXPECT_EQ(body[7].otherwise.at(0).kind, StmtKind::If);
  EXPECT_EQ(body[9].fn->name, "");
  EXPECT_EQ(body[9].fn->parameters[0].type->dims[0]->kind, ExprKind::Ellipsis);
}

TEST(Parser, Entries) {
  Parsed parsed("/// Doc.\nentry a.b for C, D (x: tensor[B; i64], r.ids: tensor[B, 2 * B]) if has_file(config, \"f\") where B = 1, fixed W = config.w -> (y: tensor[B], z: tensor[]) {\n"
                "  (x, x)\n}\nentry plain (x: tensor[B]) { x }\n");
  ASSERT_FALSE(parsed.sink.hasErrors()) << parsed.sink.render();
  const Entry &entry = *parsed.tree->entries.at(0);
  EXPECT_EQ(entry.name, "a.b");
  EXPECT_EQ(entry.doc, "Doc.");
  EXPECT_EQ(entry.classes, (std::vector<std::string>{"C", "D"}));
  EXPECT_EQ(entry.function.parameters[1].name, "r.ids");
  EXPECT_TRUE(entry.condition);
  ASSERT_EQ(entry.bindings.size(), 2u);
  EXPECT_FALSE(entry.bindings[0].fixed);
  EXPECT_TRUE(entry.bindings[1].fixed);
  EXPECT_EQ(entry.function.results.size(), 2u);
  EXPECT_TRUE(parsed.tree->entries.at(1)->classes.empty());
}

TEST(Parser, Loops) {
  Parsed parsed("fn f(xs, h) {\n  let a = for x in xs from h => x(h)\n  let (b, c) = for (i, x) in enumerate(xs) from (h, s = []) => { let h = x(h); (h, s + [h]) }\n"
                "  let d = repeat i in 0..n max 1000 from b => b\n  [for x in xs if x != 2 => x]\n}\n");
  ASSERT_FALSE(parsed.sink.hasErrors()) << parsed.sink.render();
  const Body &body = parsed.tree->functions.at(0)->body->body;
  EXPECT_EQ(body[0].expr->kind, ExprKind::Fold);
  EXPECT_EQ(body[1].expr->named.size(), 2u);
  EXPECT_TRUE(body[1].expr->named[1].value);
  EXPECT_EQ(body[2].expr->items.size(), 4u);
  EXPECT_TRUE(body[2].expr->items[2]);
}

struct BadProgram {
  const char *text;
  std::vector<std::string> messages; ///< each begins one message, in order
};
class ParserErrors : public testing::TestWithParam<BadProgram> {};

TEST_P(ParserErrors, AllReported) {
  Parsed parsed(GetParam().text);
  std::vector<std::string> found;
  for (const Diagnostic &diagnostic : parsed.sink.diagnostics())
    found.push_back(diagnostic.render());
  ASSERT_EQ(found.size(), GetParam().messages.size()) << parsed.sink.render();
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_TRUE(found[i].starts_with("error " + GetParam().messages[i])) << found[i];
}

INSTANTIATE_TEST_SUITE_P(
    Table, ParserErrors,
    testing::Values(
        BadProgram{"fn f(x: tensor[B] { x }\n", {"HB0110: t.hb:1:19: expected \")\" after the parameters; found \"{\""}},
        BadProgram{"module M {\n  a: param[1 2]\n  b: L(\n  c: L(1)\n}\nlet x = )\nlet y = 3\nfn g() {\n  let a = *\n  let b = 1 1\n  a\n}\n",
                   {"HB0110: t.hb:2:14: expected \"]\" after the shape; found \"2\"", "HB0110: t.hb:5:1:", "HB0110: t.hb:6:9: expected an expression; found \")\"",
                    "HB0110: t.hb:9:11: expected an expression; found \"*\"", "HB0110: t.hb:10:13: expected the end of the statement; found \"1\""}},
        // The brace of the broken record is not the block's.
        BadProgram{"fn f() {\n  let a = { b: 1, c d: 2 }\n  let e = 1 1\n  a\n}\nlet g = h(1\nfn k() { ) }\n",
                   {"HB0110: t.hb:2:21: expected \":\" and the entry's value; found \"d\"", "HB0110: t.hb:3:13:", "HB0110: t.hb:7:1: expected \")\" after the arguments; found the keyword \"fn\"",
                    "HB0110: t.hb:7:10:"}},
        BadProgram{"let x = if a { 1 }\n", {"HB0110: t.hb:2:1: expected \"else\"; found the end of the file; an if inside an expression needs both values"}},
        BadProgram{"fn f() { }\n", {"HB0110: t.hb:1:10: expected an expression as the value of the block"}},
        BadProgram{"fn f() { 1\n 2 }\n", {"HB0110: t.hb:1:10: expected \"}\" after the value of the block; found another statement"}},
        BadProgram{"let a = 1 < 2 < 3\n", {"HB0110: t.hb:1:15: expected one comparison"}},
        BadProgram{"let if = 3\n", {"HB0110: t.hb:1:5: expected a name; found the keyword \"if\""}},
        BadProgram{"let a = f(x: 1, 2)\n", {"HB0110: t.hb:1:17: expected a named argument"}},
        BadProgram{"let r = { a: 1, a: 2 }\n", {"HB0114: t.hb:1:17:"}},
        BadProgram{"let a = 1\nmodule a {}\n", {"HB0114: t.hb:2:8:"}},
        BadProgram{"fn f(a, a) { a }\n", {"HB0114: t.hb:1:9:"}},
        BadProgram{"banana\nlet x = 1 1\n", {"HB0110: t.hb:1:1: expected import, let, fn, module or entry", "HB0110: t.hb:2:11:"}},
        BadProgram{"let x = [a, b\n", {"HB0110: t.hb:2:1: expected \"]\" after the list; found the end of the file"}},
        BadProgram{"fn f(x: tensor[2; q8]) { x }\n", {"HB0110: t.hb:1:19: expected f32, f16, bf16, f64 or i64; found \"q8\""}}));

TEST(Parser, HostileNestingIsRefused) {
  for (const char *piece : {"(", "[", "{ a: ", "-", "not ", "if a { ", "f("}) {
    std::string text = "let x = ";
    for (int i = 0; i < 100'000; ++i)
      text += piece;
    Parsed parsed(text);
    ASSERT_TRUE(parsed.sink.hasErrors()) << piece;
  }
  // Long chains are as deep in the tree as nesting.
  for (const char *piece : {"+ a ", ".a", "(a)", "[0]"}) {
    std::string text = "let x = a ";
    for (int i = 0; i < 100'000; ++i)
      text += piece;
    Parsed parsed(text);
    ASSERT_TRUE(parsed.sink.hasErrors()) << piece;
    EXPECT_EQ(parsed.sink.diagnostics()[0].number, 111);
  }
}

} // namespace
} // namespace hb
