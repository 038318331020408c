// What programs elaborate to.
#include "tests/frontend/Fixture.h"

namespace hb {
namespace {

/// An entry `e` with inputs x [2, 6], ids [2, 3], p [1, 4, 5, 6] and the given body.
std::string entry(const std::string &body, const std::string &before = "") {
  return before + "\nentry e (x: tensor[2, 6], ids: tensor[2, 3; i64], p: tensor[1, 4, 5, 6]) {\n  " + body + "\n}\n";
}

struct Line {
  const char *body;  ///< of the entry
  const char *ops;   ///< parts of the module, one a line, in order
  const char *before = "";
};
class Elaboration : public testing::TestWithParam<Line> {};

TEST_P(Elaboration, GivesTheseOps) {
  Imported result = elaborate(entry(GetParam().body, GetParam().before));
  ASSERT_EQ(result.messages, "");
  size_t at = 0;
  std::istringstream lines(GetParam().ops);
  for (std::string line; std::getline(lines, line);) {
    size_t found = result.module.find(line, at);
    ASSERT_NE(found, std::string::npos) << line << "\nin\n" << result.module;
    at = found + line.size();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Builtins, Elaboration,
    testing::Values(
        Line{"silu(x)", "nn.unary silu %arg0 : tensor<2x6xf32>"}, Line{"-x", "nn.unary neg %arg0"},
        Line{"x * 0.5 + 1", "nn.constant dense<5.000000e-01> : tensor<f32>\nnn.binary mul %arg0, %0 : (tensor<2x6xf32>, tensor<f32>) -> tensor<2x6xf32>\nnn.binary add"},
        Line{"1 / x", "nn.binary div %0, %arg0"}, Line{"x - x[0]", "nn.slice %arg0 {offsets = array<i64: 0, 0>} : tensor<2x6xf32> -> tensor<1x6xf32>\nnn.reshape\nnn.binary sub"},
        Line{"max(x, 0)", "nn.binary max"}, Line{"eq(ids, 2)", "nn.constant dense<2> : tensor<i64>\nnn.binary eq %arg1, %0 : (tensor<2x3xi64>, tensor<i64>) -> tensor<2x3xi64>"},
        Line{"clamp(x, 0, 1)", "nn.clamp %arg0[0.000000e+00, 1.000000e+00]"}, Line{"softmax(x)", "nn.softmax"}, Line{"l2_normalize(x)", "nn.l2_normalize %arg0 {eps = 9.9999999999999998E-13 : f64}"},
        Line{"sum(x)", "nn.reduce sum %arg0 {axes = array<i64: 0, 1>} : tensor<2x6xf32> -> tensor<f32>"}, Line{"mean(p, axes: [-1, 2])", "nn.reduce mean %arg2 {axes = array<i64: 2, 3>} : tensor<1x4x5x6xf32> -> tensor<1x4xf32>"},
        Line{"max(x, axis: 1)", "nn.reduce max %arg0 {axes = array<i64: 1>}"}, Line{"argmax(ids)", "nn.argmax %arg1 : tensor<2x3xi64> -> tensor<2xi64>"},
        Line{"concat([x, x, x], axis: -1)", "nn.concat %arg0, %arg0, %arg0 {axis = 1 : i64}\n-> tensor<2x18xf32>"},
        Line{"split(x, 3, axis: 1)[2]", "nn.slice %arg0 {offsets = array<i64: 0, 4>} : tensor<2x6xf32> -> tensor<2x2xf32>"},
        Line{"x[0:2, newaxis, ..., -2]", "nn.slice %arg0 {offsets = array<i64: 0, 4>} : tensor<2x6xf32> -> tensor<2x1xf32>\nreturn"},
        Line{"p[..., newaxis, 1:3, -1]", "nn.slice %arg2 {offsets = array<i64: 0, 0, 1, 5>} : tensor<1x4x5x6xf32> -> tensor<1x4x2x1xf32>\nnn.reshape\n-> tensor<1x4x1x2xf32>"},
        Line{"reshape(p, [4, -1])", "nn.reshape %arg2 : tensor<1x4x5x6xf32> -> tensor<4x30xf32>"}, Line{"permute(p, [0, 2, 3, 1])", "nn.transpose %arg2 {permutation = array<i64: 0, 2, 3, 1>} : tensor<1x4x5x6xf32> -> tensor<1x5x6x4xf32>"},
        Line{"broadcast(x, [3, 2, 6])", "nn.broadcast %arg0 : tensor<2x6xf32> -> tensor<3x2x6xf32>"}, Line{"resize_nearest(p, [10, 12])", "nn.resize_nearest %arg2 {layout = #nn.layout<nchw>} : tensor<1x4x5x6xf32> -> tensor<1x4x10x12xf32>"},
        Line{"adaptive_avg_pool(p, [2, 3])", "nn.adaptive_avg_pool %arg2"}, Line{"cast(ids)", "nn.cast %arg1 : tensor<2x3xi64> to tensor<2x3xf32>"}, Line{"cast(x, bf16)", "tensor<2x6xbf16>"},
        Line{"constant([[1, 2], [3, 4.5]])", "nn.constant dense<\n1.000000e+00, 2.000000e+00], [3.000000e+00, 4.500000e+00\ntensor<2x2xf32>"}, Line{"iota(3)", "dense<[0, 1, 2]> : tensor<3xi64>"},
        Line{"full([2, 3], 7) + zeros([2, 1])", "dense<7.000000e+00> : tensor<2x3xf32>\ndense<0.000000e+00> : tensor<2x1xf32>"},
        Line{"gather(constant([[1, 2], [3, 4]]), ids)", "nn.gather %0, %arg1 {batch_dims = 0 : i64} : (tensor<2x2xf32>, tensor<2x3xi64>) -> tensor<2x3x2xf32>"},
        Line{"gather_rows(x, argmax(ids))", "{batch_dims = 1 : i64} : (tensor<2x6xf32>, tensor<2xi64>) -> tensor<2xf32>"},
        Line{"matmul(x, permute(x, [1, 0])) + matmul_t(x, x)", "nn.matmul\n-> tensor<2x2xf32>\nnn.matmul %arg0, %arg0 {transpose_b}"},
        Line{"attention(p[0], p[0], p[0], heads: 2, causal: true)", "{causal, heads = 2 : i64, scale = 0.57735026918962584 : f64} : (tensor<4x5x6xf32>"},
        Line{"attention(p[0], p[0], p[0], heads: 3, mask: zeros([1, 1, 5]), scale: 1)", "heads = 3 : i64, scale = 1.000000e+00 : f64"}, Line{"stop_gradient(checkpoint(x))", "grad.checkpoint %arg0\ngrad.stop %0\nreturn %1"}, Line{"let a = stop_gradient([1])[0]; x * a", "nn.binary mul"},
        Line{"dropout(x, 0.5, ids[0, 0], step: 3)", "dense<5.000000e-01> : tensor<f32>\ndense<3> : tensor<i64>\ndense<0> : tensor<i64>\nnn.dropout %arg0 drop("},
        Line{"vjp(silu(x), x, wrt: x)", "nn.unary silu\ngrad.vjp of(%0) cotangents(%arg0) wrt(%arg0)"},
        Line{"let (loss, g) = value_and_grad(sum(x * x), wrt: { a: x, b: [p] }); (loss, g.a, g.b[0])", "nn.reduce sum\ndense<1.000000e+00> : tensor<f32>\ngrad.vjp of(%1) cotangents(%2) wrt(%arg0, %arg2)\nreturn %1, %3#0, %3#1"},
        Line{"let r = record([\"a.b\", \"c\"], [x, -x]); (values(r)[1], r[keys(r)[0]])", "nn.unary neg\nreturn %0, %arg0"}));

INSTANTIATE_TEST_SUITE_P(
    Language, Elaboration,
    testing::Values(
        Line{"if shape(x)[1] == 6 and rank(p) == 4 { silu(x) } else { gelu(x) }", "nn.unary silu"},
        Line{"let y = for i in 0..3 from x => if i % 2 == 0 { silu(x) } else { gelu(x) }; y", "nn.unary silu\nnn.unary gelu\nnn.unary silu\nreturn %2"},
        Line{"let (y, s) = for f in [1, 2] from (x, s = []) => { let x = x * f; (x, s + [x]) }; concat(reverse(s), axis: 0)", "nn.binary mul\nnn.binary mul\nnn.concat %3, %1"},
        Line{"repeat i in 0..4 from x => x + constant([1, 2, 3, 4])[i]", "nn.repeat max 4 inits(%arg0)\n^bb0(%arg3: tensor<i64>, %arg4: tensor<2x6xf32>):\nnn.gather\nnn.yield"},
        Line{"(repeat i in 1..4 from (x, y = p) => (silu(x) + constant([1, 2, 3, 4])[i], gelu(y)))[1]", "nn.repeat max 3 inits(%arg0, %arg2)\nnn.slice\noffsets = array<i64: 1>\nnn.gather\nnn.yield"},
        Line{"scale(x, 3)", "dense<3.000000e+00>", "fn scale(x: tensor[B, N], by: tensor[]) -> tensor[B, N] { x * by }"},
        Line{"f(f(x))", "return %arg0", "fn f(x: tensor[..., 6]) -> tensor[..., 6] { x }"},
        Line{"half(x, n: 1)", "tensor<2x3xf32>", "fn half(x: tensor[B, N], m: int = 2, n: float = 0) -> tensor[B, K] { require(n == 1.0, \"n\"); x[:, 0:div(N, m)] }"},
        Line{"x * k[1].a", "dense<2.500000e+00>", "let k = [none, { a: 2.5 }]"}, Line{"x * b", "dense<6.000000e+00>", "let b = a * 2\nlet a = c + 1\nlet (c, d) = (2, 3)"},
        Line{"x * len([for (i, v) in enumerate([5, 7, 9]) if v > 5 => i + v])", "dense<2.000000e+00>"}, Line{"x * sqrt(pow(2, 4)) * f32round(0.1) * min(3, 2)", "dense<4.000000e+00>\ndense<1.000000e-01>\ndense<2.000000e+00>"},
        Line{"x * (if contains(\"abc\", \"b\") and starts_with(\"abc\", \"a\") { 1 } else { 2 })", "dense<1.000000e+00>"}));

TEST(Elaboration, ModulesBindKeysByPath) {
  Imported result = elaborate(R"(import nn
module Inner(n: int) {
  w: param[n]
  fn (x: tensor[B, n]) -> tensor[B, n] { x * w }
}
module Net(config) {
  a: Inner(config.n)
  b "published.b": Inner(6)
  c "": Inner(6)
  list: [Inner(6), { 3: Inner(6) }]
  for i in 0..2 { ("extra_" + str(i)): [Inner(6)] }
  if config.get("missing") == none and not has(config, "missing") { d: nn.Linear(6, 6, bias: false) }
  fn (x) { let x = c(b(a(x))); let x = list[1][3](list[0](x)); d(self["extra_1"][0](x)) }
}
entry e (x: tensor[B, 6]) where B = 2 { Net(config)(x) }
)", R"({"n": 6})");
  ASSERT_EQ(result.messages, "");
  for (const char *key : {"a.w", "published.b.w", "\"w\"", "list.0.w", "list.1.3.w", "extra_1.0.w", "d.weight"})
    EXPECT_TRUE(contains(result.module, key)) << key;
  EXPECT_FALSE(contains(result.module, "extra_0")) << "parameters that are not used are not read";
  EXPECT_FALSE(contains(result.module, "bias"));
}

TEST(Elaboration, DimensionsFromDefaultsConfigAndCommandLine) {
  const char *program = "entry e (x: tensor[B, C, H]) where B = 1, fixed C = config.c, H = 2 * C -> (y: tensor[B, C, H], n: tensor[B, D]) { (x, x[:, :, 0]) }\n";
  EXPECT_TRUE(contains(elaborate(program, R"({"c": 3})").module, "@e(%arg0: tensor<1x3x6xf32> {nn.name = \"x\"}) -> (tensor<1x3x6xf32> {nn.name = \"y\"}, tensor<1x3xf32> {nn.name = \"n\"})"));
  ImportOptions options;
  options.dims = {{"B", 4}, {"H", 5}, {"C", 3}};
  EXPECT_TRUE(contains(elaborate(program, R"({"c": 3})", options).module, "%arg0: tensor<4x3x5xf32>"));
}

TEST(Elaboration, DerivedEntriesGetCotangentsAndGradients) {
  const char *program = R"(import nn
module Net(config) {
  to_q: nn.Linear(4, 4)
  adapters
  fn (x) { to_q(x) }
}
entry e (x: tensor[2, 4], t: tensor[2]) vjp x -> (y: tensor[2, 4], s: tensor[]) { let y = Net(config)(x) * t[:, newaxis]; (y, sum(y)) }
)";
  ImportOptions options;
  options.loraRank = 1;
  options.loraTargets = {"to_q"};
  options.entries = {"e_vjp"};
  Imported result = elaborate(program, "{}", options);
  ASSERT_EQ(result.messages, "");
  EXPECT_TRUE(contains(result.module, R"(@e_vjp(%arg0: tensor<2x4xf32> {nn.name = "x"}, %arg1: tensor<2xf32> {nn.name = "t"}, %arg2: tensor<2x4xf32> {nn.name = "cotangent.y"}, %arg3: tensor<f32> {nn.name = "cotangent.s"}))"))
      << result.module;
  EXPECT_TRUE(contains(result.module, R"(tensor<2x4xf32> {nn.name = "grad.x"}, tensor<1x4xf32> {nn.name = "grad.to_q.lora_A.weight"}, tensor<4x1xf32> {nn.name = "grad.to_q.lora_B.weight"})"));
  EXPECT_TRUE(contains(result.module, "wrt(%arg0, "));
}

TEST(Elaboration, InputsUnderConditionsAndWithDefaults) {
  const char *program = "entry e (x: tensor[2], a.b: tensor[N] if config.deep, a.w: tensor[; f32] if config.deep = 2 * 1.25, c.d: tensor[M] if not config.deep) {\n"
                        "  { y: if config.deep { x * a.w } else { x * c.d }, z: if a == none { x } else { a.b } }\n}\n";
  ImportOptions options;
  options.dims = {{"N", 3}};
  Imported deep = elaborate(program, R"({"deep": true})", options);
  ASSERT_EQ(deep.messages, "");
  EXPECT_TRUE(contains(deep.module, R"(%arg1: tensor<3xf32> {nn.name = "a.b"}, %arg2: tensor<f32> {nn.default = 2.500000e+00 : f64, nn.name = "a.w"}))")) << deep.module;
  // A record without declared results names the outputs.
  EXPECT_TRUE(contains(deep.module, R"((tensor<2xf32> {nn.name = "y"}, tensor<3xf32> {nn.name = "z"}))"));
  options.dims = {{"M", 2}};
  Imported flat = elaborate(program, R"({"deep": false})", options);
  ASSERT_EQ(flat.messages, "");
  EXPECT_TRUE(contains(flat.module, R"(@e(%arg0: tensor<2xf32> {nn.name = "x"}, %arg1: tensor<2xf32> {nn.name = "c.d"}))"));
}

TEST(Elaboration, Bf16IsTheTypeOfActivations) {
  ImportOptions options;
  options.dtype = "bf16";
  Imported result = elaborate("entry e (x: tensor[2, 3], t: tensor[2; f32]) { x * 2 + cast(t)[:, newaxis] }\n", "{}", options);
  ASSERT_EQ(result.messages, "");
  EXPECT_TRUE(contains(result.module, "%arg0: tensor<2x3xbf16>"));
  EXPECT_TRUE(contains(result.module, "%arg1: tensor<2xf32>"));
  EXPECT_TRUE(contains(result.module, "-> (tensor<2x3xbf16>"));
}

TEST(Elaboration, AdaptersAtMatchingLinears) {
  const char *program = R"(import nn
module Net(config) {
  to_q: nn.Linear(6, 4)
  not_to_q: nn.Linear(4, 4)
  ff: { 0: { proj: nn.Linear(4, 4, bias: false) } }
  adapters
  fn (x) { ff[0].proj(not_to_q(to_q(x))) }
}
module Other(config) {
  x "other.to_q": nn.Linear(4, 4)
  fn (h) { x(h) }
}
entry e (x: tensor[2, 6]) { Other(config)(Net(config)(x)) }
)";
  ImportOptions options;
  options.loraRank = 3;
  options.loraTargets = {"to_q", "0.proj"};
  Imported result = elaborate(program, "{}", options);
  ASSERT_EQ(result.messages, "");
  EXPECT_TRUE(contains(result.module, R"(nn.param "adapter:" "to_q.lora_A" : tensor<3x6xf32>)"));
  EXPECT_TRUE(contains(result.module, R"(nn.param "adapter:" "ff.0.proj.lora_B" : tensor<4x3xf32>)"));
  EXPECT_TRUE(contains(result.module, R"("to_q.lora_scale" : tensor<3xf32>)"));
  EXPECT_FALSE(contains(result.module, "not_to_q.lora"));
  auto count = [&](const std::string &word) {
    int n = 0;
    for (size_t at = 0; (at = result.module.find(word, at)) != std::string::npos; ++at)
      ++n;
    return n;
  };
  EXPECT_EQ(count("nn.lora_linear"), 2) << "the other network takes no adapters";
  EXPECT_FALSE(contains(elaborate(program).module, "lora"));
}

} // namespace
} // namespace hb
