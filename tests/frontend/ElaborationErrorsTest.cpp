// Mistakes in programs and configs: number, place, what was expected and found. One row per mistake.
#include "tests/frontend/Fixture.h"

namespace hb {
namespace {

struct Mistake {
  const char *program;
  const char *message; ///< the beginning of the only (or first) message
  const char *config = "{}";
};
class ElaborationErrors : public testing::TestWithParam<Mistake> {};

TEST_P(ElaborationErrors, SayThis) {
  Imported result = elaborate(GetParam().program, GetParam().config);
  EXPECT_EQ(result.module, "");
  EXPECT_TRUE(result.messages.starts_with(std::string("error ") + GetParam().message)) << result.messages;
}

INSTANTIATE_TEST_SUITE_P(
    Names, ElaborationErrors,
    testing::Values(
        Mistake{"entry e (x: tensor[2]) { sofmax(x) }", "HB0120: t.hb:1:26: expected a name that is known here; found \"sofmax\"; did you mean \"softmax\"?"},
        Mistake{"import nn\nentry e (x: tensor[2]) { nn.Lineer(2, 2)(x) }", "HB0121: t.hb:2:26: expected a declaration of models/nn.hb; found \"Lineer\"; did you mean \"Linear\"?"},
        Mistake{"module M() { a: [] }\nentry e (x: tensor[2]) { M().b }", "HB0121: t.hb:2:26: expected a member of module M; found \"b\""},
        Mistake{"entry e (x: tensor[2]) { { a: 1 }.b }", "HB0121: t.hb:1:26: expected a key of the record; found \"b\""},
        Mistake{"import nowhere.at_all\nentry e (x: tensor[2]) { at_all.f(x) }", "HB0112: t.hb:1:8:"},
        Mistake{"let a = b\nlet b = a\nentry e (x: tensor[2]) { x * a }", "HB0124:"},
        Mistake{"fn f(x) { f(x) }\nentry e (x: tensor[2]) { f(x) }", "HB0124:"},
        Mistake{"module M() { m: M() }\nentry e (x: tensor[2]) { M()(x) }", "HB0124:"}));

INSTANTIATE_TEST_SUITE_P(
    Kinds, ElaborationErrors,
    testing::Values(
        Mistake{"entry e (x: tensor[2]) { silu(3) }", "HB0122: t.hb:1:31: expected a tensor; found the int 3; this is \"x\" of silu"},
        Mistake{"entry e (x: tensor[2]) { if x { x } else { x } }", "HB0122: t.hb:1:29: expected a bool; found a tensor [2] f32"},
        Mistake{"entry e (x: tensor[2]) { if x == 1 { x } else { x } }", "HB0122: t.hb:1:29: expected elaboration values on both sides of ==; found a tensor"},
        Mistake{"fn f(n: int) { n }\nentry e (x: tensor[2]) { f(x) }", "HB0122: t.hb:2:28: expected n to be int; found a tensor [2] f32"},
        Mistake{"fn f(x: tensor[N]) { x }\nentry e (x: tensor[2]) { f(\"a\") }", "HB0122: t.hb:2:28: expected x to be tensor[N]; found the string \"a\""},
        Mistake{"entry e (x: tensor[2]) { x + \"a\" }", "HB0122: t.hb:1:30: expected a tensor; found the string \"a\""},
        Mistake{"entry e (x: tensor[2]) { x * (1 + none) }", "HB0122: t.hb:1:35: expected a number or a tensor; found none"},
        Mistake{"entry e (x: tensor[2]) { [x][x] }", "HB0122: t.hb:1:30: expected an int; found a tensor"},
        Mistake{"entry e (x: tensor[2]) { let (a, b) = x; a }", "HB0122: t.hb:1:39: expected a tuple of 2; found a tensor"},
        Mistake{"entry e (x: tensor[2]) { let (a, b) = (x, x, x); a }", "HB0122: t.hb:1:39: expected a tuple of 2; found one of 3"},
        Mistake{"entry e (x: tensor[2]) { value_and_grad(x, wrt: x) }", "HB0141: t.hb:1:41: expected a scalar; found [2] f32"},
        Mistake{"entry e (x: tensor[2]) { adapters(x) }", "HB0122: t.hb:1:35: expected a module instance; found a tensor [2] f32"},
        Mistake{"entry e (x: tensor[2]) { with_dropout(x, 0, 0, 0) }", "HB0122: t.hb:1:39: expected a module instance; found a tensor [2] f32"},
        Mistake{"entry e (x: tensor[2]) { without_adapters(x) }", "HB0122: t.hb:1:43: expected a module instance; found a tensor [2] f32"},
        Mistake{"entry e (x: tensor[2]) { dropout(x, 1.0, 0) }", "HB0127: t.hb:1:26: expected a probability from 0 to below 1; found 1.0"},
        Mistake{"entry e (x: tensor[2]) { dropout(x, 0.5, x) }", "HB0140: t.hb:1:26: expected the seed of dropout as a scalar i64; found [2] f32"},
        Mistake{"entry e (x: tensor[2]) { record([\"a\", \"a\"], [1, 2]).a * x }", "HB0114: t.hb:1:33: expected different names; found \"a\" twice"},
        Mistake{"entry e (x: tensor[2] = 1) { x }", "HB0122: t.hb:1:25: expected a default for a scalar input; found one for a tensor"},
        Mistake{"entry e (x: int) { x }", "HB0122: t.hb:1:10: expected a tensor"},
        Mistake{"entry e (x: tensor[2]) { x(1) }", "HB0125: t.hb:1:26: expected a function, a module or a module instance; found a tensor"},
        Mistake{"module M() { fn f() { 1 } }\nentry e (x: tensor[2]) { M()(x) }", "HB0125: t.hb:2:26: expected a module with a nameless fn"}));

INSTANTIATE_TEST_SUITE_P(
    Arguments, ElaborationErrors,
    testing::Values(
        Mistake{"fn f(a, b = 1) { a }\nentry e (x: tensor[2]) { f(x, 1, 2) }", "HB0123: t.hb:2:34: expected f(a, b = …); found 3 arguments"},
        Mistake{"fn f(a, b) { a }\nentry e (x: tensor[2]) { f(x) }", "HB0123: t.hb:2:26: expected f(a, b); found no value for b"},
        Mistake{"fn f(abc) { abc }\nentry e (x: tensor[2]) { f(abd: x) }", "HB0123: t.hb:2:28: expected a parameter of f(abc); found \"abd\"; did you mean \"abc\"?"},
        Mistake{"fn f(a) { a }\nentry e (x: tensor[2]) { f(x, a: x) }", "HB0123: t.hb:2:31: expected each argument once"},
        Mistake{"entry e (x: tensor[2]) { softmax(x, axs: 1) }", "HB0123: t.hb:1:37: expected a parameter of softmax(x)"},
        Mistake{"entry e (x: tensor[2]) { clamp(x, 0) }", "HB0123: t.hb:1:26: expected clamp(x, low, high); found no value for high"}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, ElaborationErrors,
    testing::Values(
        Mistake{"entry e (x: tensor[2]) { x * (7 / 2) }", "HB0126: t.hb:1:31: expected a division without remainder; found 7 / 2"},
        Mistake{"entry e (x: tensor[2]) { x * (7 % 0) }", "HB0126: t.hb:1:31: expected a divisor other than 0"},
        Mistake{"entry e (x: tensor[2]) { x * (9223372036854775807 + 1) }", "HB0126:"}, Mistake{"entry e (x: tensor[2]) { x * pow(10, 19) }", "HB0126:"},
        Mistake{"entry e (x: tensor[2]) { x * [1, 2][2] }", "HB0127: t.hb:1:37: expected an index of a list of 2; found 2"},
        Mistake{"entry e (x: tensor[2]) { x[2] }", "HB0127: t.hb:1:28: expected an index below 2; found 2"}, Mistake{"entry e (x: tensor[2]) { x[0:3] }", "HB0127: t.hb:1:30:"},
        Mistake{"entry e (x: tensor[2]) { x[0, 0] }", "HB0127: t.hb:1:26: expected at most 1 indices"}, Mistake{"entry e (x: tensor[2]) { sum(x, axis: 1) }", "HB0127: t.hb:1:39: expected an axis of a tensor of rank 1; found 1"},
        Mistake{"entry e (x: tensor[2]) { x * len(0..2000000) }", "HB0127: t.hb:1:34: expected a range of at most 1,000,000"},
        Mistake{"entry e (x: tensor[0]) { x }", "HB0127: t.hb:1:13: expected extents of at least 1"},
        Mistake{"entry e (x: tensor[1000000000, 1000000000]) { x }", "HB0127:"},
        Mistake{"entry e (x: tensor[2]) { require(1 > 2, \"no such luck\"); x }", "HB0128: t.hb:1:26: found no such luck"}));

INSTANTIATE_TEST_SUITE_P(
    Members, ElaborationErrors,
    testing::Values(
        Mistake{"module M() { a: 3 }\nentry e (x: tensor[2]) { M(); x }", "HB0110:"},
        Mistake{"module M() { a: 3\n fn (x) { x } }\nentry e (x: tensor[2]) { M()(x) }", "HB0129: t.hb:1:17: expected module instances"},
        Mistake{"module I() { w: param[2] }\nmodule M() { a: I()\n b: a\n fn (x) { x } }\nentry e (x: tensor[2]) { M()(x) }", "HB0129: t.hb:3:5: expected a value that is a member once"},
        Mistake{"module I() { w: param[2]\n fn (x) { x * w } }\nmodule M() { fn (x) { I()(x) } }\nentry e (x: tensor[2]) { M()(x) }", "HB0129: t.hb:3:23:"},
        Mistake{"entry e (x: tensor[2]) { x * param[2] }", "HB0129: t.hb:1:30:"},
        Mistake{"module M() { a: []\n a: []\n fn (x) { x } }\nentry e (x: tensor[2]) { M()(x) }", "HB0114: t.hb:2:2:"}));

INSTANTIATE_TEST_SUITE_P(
    Configs, ElaborationErrors,
    testing::Values(
        Mistake{"entry e (x: tensor[2]) { x * config.hiden_size }", "HB0130: t.hb:1:30: expected the key \"hiden_size\" in config.json; found no such key; did you mean \"hidden_size\"?", R"({"hidden_size": 3})"},
        Mistake{"entry e (x: tensor[2]) { x * config.a.b }", "HB0130: t.hb:1:30: expected the key \"a.b\" in config.json; found null", R"({"a": {"b": null}})"},
        Mistake{"fn f(n: int) { n }\nentry e (x: tensor[2]) { x * f(config.a.b) }", "HB0131: t.hb:2:32: expected n to be int; found the string \"7\" (config.json: a.b); correct the config", R"({"a": {"b": "7"}})"},
        Mistake{"entry e (x: tensor[config.n]) { x }", "HB0131: t.hb:1:20: expected an int; found the float 2.5 (config.json: n); this is a dimension; correct the config", R"({"n": 2.5})"},
        Mistake{"entry e (x: tensor[2]) { x * component(\"vae\").scale }", "HB0132: t.hb:1:40:"}, Mistake{"entry e (x: tensor[2]) { x * len(stored_shape(config, \"w\")) }", "HB0230: t.hb:1:34:"},
        Mistake{"entry e (x: tensor[2]) { x }", "HB0202:", "{"}));

INSTANTIATE_TEST_SUITE_P(
    Shapes, ElaborationErrors,
    testing::Values(
        Mistake{"fn f(x: tensor[B, N], y: tensor[N, B]) { x }\nentry e (x: tensor[2, 3], y: tensor[2, 3]) { f(x, y) }", "HB0140: t.hb:2:51: expected y to be tensor[N, B] = [3, 2]; found [2, 3]\n"},
        Mistake{"fn f(x: tensor[B, N]) { x }\nentry e (x: tensor[2]) { f(x) }", "HB0140: t.hb:2:28: expected x to be tensor[B, N] = [B, N]; found [2]"},
        Mistake{"fn f(x: tensor[B, N]) -> tensor[N, B] { x }\nentry e (x: tensor[2, 3]) { f(x) }", "HB0140: t.hb:1:41: expected the result to be tensor[N, B] = [3, 2]; found [2, 3]"},
        Mistake{"fn f(x: tensor[..., N], y: tensor[..., N]) { x }\nentry e (x: tensor[2, 3], y: tensor[4, 3]) { f(x, y) }", "HB0140: t.hb:2:51: expected y to be tensor[..., N] = [2, 3]; found [4, 3]"},
        Mistake{"fn f(x: tensor[2 * N]) { x }\nentry e (x: tensor[2]) { f(x) }", "HB0142: t.hb:1:20:"},
        Mistake{"fn f(x: tensor[2; i64]) { x }\nentry e (x: tensor[2]) { f(x) }", "HB0143: t.hb:2:28: expected x to be tensor[2; i64]; found a tensor [2] f32"},
        Mistake{"fn f(x: tensor[2]) { x }\nentry e (x: tensor[2; i64]) { f(x) }", "HB0143: t.hb:2:33:"}, Mistake{"entry e (x: tensor[2; i64]) { x + 1 }", "HB0143: t.hb:1:31: expected float tensors as operands of +"},
        Mistake{"entry e (x: tensor[2], y: tensor[3]) { x + y }", "HB0141: t.hb:1:40: expected shapes that broadcast (equal, or 1, from the right); found [2] and [3]"},
        Mistake{"import nn\nmodule M() { l: nn.Linear(4, 5)\n fn (x: tensor[B, N]) { linear(x, l.weight) } }\nentry e (x: tensor[2, 3]) { M()(x) }", "HB0141: t.hb:3:32: expected […, 4], as the weight [5, 4] needs; found [2, 3]"},
        Mistake{"entry e (x: tensor[2, 3]) { reshape(x, [4]) }", "HB0141: t.hb:1:40: expected 6 elements, as x [2, 3] has; found [4]"},
        Mistake{"entry e (x: tensor[2, 3]) { permute(x, [0, 0]) }", "HB0141:"}, Mistake{"entry e (x: tensor[2, 3]) { concat([x, x[0]], axis: 0) }", "HB0141:"},
        Mistake{"entry e (x: tensor[2, 3]) { matmul(x, x) }", "HB0141:"}, Mistake{"entry e (x: tensor[1, 4, 6]) { attention(x, x, x, heads: 4) }", "HB0141:"},
        Mistake{"entry e (x: tensor[2]) { repeat i in 0..3 from x => x[0:1] }", "HB0141: t.hb:1:53: expected \"x\" to keep its shape [2] f32; found [1] f32"},
        Mistake{"entry e (x: tensor[2], n: tensor[; i64]) { repeat i in 0..n from x => x }", "HB0123:"},
        Mistake{"entry e (x: tensor[2]) -> (a: tensor[2], b: tensor[2]) { x }", "HB0150:"}, Mistake{"entry e (x: tensor[2]) -> (a: tensor[2], b: tensor[2]) { { a: x, c: x } }", "HB0150:"}));

INSTANTIATE_TEST_SUITE_P(
    Entries, ElaborationErrors,
    testing::Values(Mistake{"entry e (x: tensor[B, N]) where B = 1 { x }", "HB0701: entry e, dimension N: expected --dim N=SIZE; found no size for the dimension N"},
                    Mistake{"fn f(x) { x }", "HB0703:"}, Mistake{"entry e (x: tensor[2]) { x }\nentry e (x: tensor[2]) { x }", "HB0114:"}));

TEST(ElaborationErrors, IndependentMistakesAppearTogether) {
  Imported result = elaborate("module M(config) {\n  let a = config.aa\n  let b = a + 1\n  w: param[config.n]\n  fn (x: tensor[N]) {\n    let y = silu(1)\n    let z = x + nothing\n    y + z\n  }\n}\n"
                              "entry one (x: tensor[2]) { M(config)(x) }\nentry two (x: tensor[2]) { x[5] }\n",
                              R"({"n": "w"})");
  for (const char *message : {"HB0130: t.hb:2:11", "HB0131: t.hb:4:12", "HB0122: t.hb:6:18", "HB0120: t.hb:7:17", "HB0127: t.hb:12:"})
    EXPECT_TRUE(contains(result.messages, message)) << message << "\n" << result.messages;
  // `b` and the sum only fail because of what was already said.
  EXPECT_FALSE(contains(result.messages, "t.hb:3:")) << result.messages;
  EXPECT_FALSE(contains(result.messages, "t.hb:8:")) << result.messages;
}

TEST(ElaborationErrors, BothPlacesWithCarets) {
  Imported result = elaborate("fn f(x: tensor[B, 4]) { x }\nentry e (x: tensor[2, 3]) {\n  f(x)\n}\n");
  EXPECT_EQ(result.messages, "error HB0140: t.hb:3:5: expected x to be tensor[B, 4] = [2, 4]; found [2, 3]\n  3 |   f(x)\n    |     ^\nnote: t.hb:1:9: the type is declared here\n"
                             "  1 | fn f(x: tensor[B, 4]) { x }\n    |         ^~~~~~~~~~~~\n");
}

TEST(ElaborationErrors, SizesOnTheCommandLine) {
  const char *program = "entry e (x: tensor[B, C]) where B = 1, fixed C = config.c { x }\n";
  ImportOptions options;
  options.dims = {{"C", 4}};
  Imported fixed = elaborate(program, R"({"c": 3})", options);
  EXPECT_EQ(fixed.code, ExitCode::Usage);
  EXPECT_TRUE(fixed.messages.starts_with("error HB0705: --dim C=4: expected 3")) << fixed.messages;
  options.dims = {{"BB", 4}};
  Imported unknown = elaborate(program, R"({"c": 3})", options);
  EXPECT_EQ(unknown.code, ExitCode::Usage);
  EXPECT_TRUE(unknown.messages.starts_with("error HB0702: --dim BB: expected a dimension of the selected entries: B, C; found \"BB\"; did you mean \"B\"?")) << unknown.messages;
  options.dims = {{"B", 0}};
  EXPECT_EQ(elaborate(program, R"({"c": 3})", options).code, ExitCode::Usage);
  options.dims.clear();
  options.entries = {"ee"};
  Imported entry = elaborate(program, R"({"c": 3})", options);
  EXPECT_EQ(entry.code, ExitCode::Usage);
  EXPECT_TRUE(contains(entry.messages, "HB0703: --entry ee")) << entry.messages;
}

} // namespace
} // namespace hb
