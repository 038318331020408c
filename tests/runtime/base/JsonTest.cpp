#include "runtime/base/Json.h"
#include "tests/runtime/base/ScratchFolder.h"

namespace hb {
namespace {

using test::expectError;
constexpr JsonErrors kErrors{202, 203};

nlohmann::json parsed(const std::string &text) { return parseJson(text, "dir/config.json", kErrors); }

TEST(Json, ParsesWhatLibrariesWrite) {
  auto document = parsed("{\"a\": [1, 2], \"b\": null, \"c\": {\"d\": 1.5e-3}, \"e\": \"\\u00e4\"}\n");
  EXPECT_EQ(document["c"]["d"], 1.5e-3);
  EXPECT_EQ(document["e"], "ä");
}

TEST(Json, MalformedTextNamesFileAndPlace) {
  expectError(202, [] { parsed("{\"hidden_size\": "); }, {"dir/config.json"});
  expectError(202, [] { parsed("{\n \"a\": 1,\n \"b\" 2}"); }, {"dir/config.json", "line 3"});
  expectError(202, [] { parsed(""); }, {"dir/config.json"});
  expectError(202, [] { parsed("{} {}"); });
  expectError(202, [] { parsed("{\"a\": \"\xff\xfe\"}"); }, {"UTF-8"});
  expectError(202, [] { parsed("{\"a\": 1e999}"); });
}

TEST(Json, DuplicateKeysAreRefusedOnlyWithinOneObject) {
  expectError(202, [] { parsed("{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}}"); }, {"\"c\"", "twice"});
  EXPECT_NO_THROW(parsed("{\"a\": {\"a\": 1}, \"b\": [{\"a\": 1}, {\"a\": 2}]}"));
}

TEST(Json, NestingIsBounded) {
  EXPECT_NO_THROW(parsed(std::string(60, '[') + std::string(60, ']')));
  expectError(202, [] { parsed(std::string(100000, '[')); }, {"nested"});
}

TEST(Json, ElementsOneByOne) {
  auto elements = [](const std::string &text, const std::string &key) {
    std::string all;
    forEachElement(text, "big.json", kErrors, key, [&](const std::string &name, nlohmann::json &value) { all += name + "=" + value.dump() + ";"; });
    return all;
  };
  EXPECT_EQ(elements(R"({"a": {"x": [1, {"a": 2}]}, "b": 3, "c": []})", ""), R"(a={"x":[1,{"a":2}]};b=3;c=[];)");
  EXPECT_EQ(elements(R"({"info": {"list": [9]}, "list": [1, {"list": [2]}, [3]], "more": [4]})", "list"), R"(=1;={"list":[2]};=[3];)");
  EXPECT_EQ(elements(R"({"info": 1, "list": {"p": 1, "q": {"list": 2}}})", "list"), R"(p=1;q={"list":2};)");
  EXPECT_EQ(elements(R"({"list": []})", "list"), "");
  EXPECT_EQ(elements("{}", ""), "");
  for (const char *none : {"{}", "[]", R"({"list": 3})", R"({"a": {"list": [1]}})", "7"})
    expectError(203, [&] { elements(none, "list"); }, {"big.json", "list"});
  expectError(203, [&] { elements("[1]", ""); }, {"big.json"});
  expectError(202, [&] { elements(R"({"list": [1, 2)", "list"); }, {"big.json"});
  expectError(202, [&] { elements(R"({"list": [{"a": 1, "a": 2}]})", "list"); }, {"twice"});
  expectError(202, [&] { elements(R"({"a": 1, "a": 2})", ""); }, {"twice"});
  expectError(202, [&] { elements("{\"list\": " + std::string(100, '[') + std::string(100, ']') + "}", "list"); }, {"nested"});
}

TEST(Json, TypedAccessNamesTheDottedKey) {
  auto document = parsed(R"({"text": {"width": "wide", "layers": 3, "list": [1, 2], "rate": 0.5, "on": true, "off": null, "big": 18446744073709551615}})");
  JsonObject text = JsonObject(document, "dir/config.json", kErrors).object("text");
  EXPECT_EQ(text.integer("layers"), 3);
  EXPECT_EQ(text.integer("missing", 7), 7);
  EXPECT_EQ(text.integer("off", 7), 7) << "null means not set";
  EXPECT_EQ(text.number("rate"), 0.5);
  EXPECT_EQ(text.number("layers"), 3.0);
  EXPECT_TRUE(text.boolean("on"));
  EXPECT_EQ(text.string("width"), "wide");
  EXPECT_EQ(text.integers("list"), (std::vector<int64_t>{1, 2}));
  expectError(203, [&] { text.integer("width"); }, {"dir/config.json", "text.width", "an integer", "wide"});
  expectError(203, [&] { text.integer("missing"); }, {"text.missing"});
  expectError(203, [&] { text.integer("rate"); }, {"text.rate"});
  expectError(203, [&] { text.integer("big"); }, {"text.big"});
  expectError(203, [&] { text.integer("width", 7); }, {"text.width"});
  expectError(203, [&] { text.strings("list"); }, {"text.list"});
  expectError(203, [&] { text.object("list"); }, {"text.list"});
  expectError(203, [&] { text.boolean("layers"); }, {"true or false"});
}

TEST(Json, OnlyObjectsHaveKeys) {
  auto list = parsed("[1]");
  expectError(203, [&] { JsonObject(list, "f", kErrors); }, {"a JSON object"});
}

} // namespace
} // namespace hb
