#include "runtime/formats/Safetensors.h"
#include "tests/runtime/base/ScratchFolder.h"
#include "tests/runtime/formats/RawFile.h"

#include <cstring>

namespace hb {
namespace {

using namespace test;
using Mode = SafetensorsFile::Mode;

const std::string kData(32, '\0');
const std::string kWeight = entry("layer.weight", "F32", "[2,3]", "[0,24]"), kBias = entry("layer.bias", "F32", "[2]", "[24,32]");

/// Opens the file in both modes and expects the same error from both.
void expectRefused(int number, const std::string &file, const std::vector<std::string> &words = {}) {
  ScratchFolder folder;
  std::string path = folder.write("model.safetensors", file);
  std::vector<std::string> all = words;
  all.push_back("model.safetensors");
  for (Mode mode : {Mode::Map, Mode::HeaderOnly})
    expectError(
        number, [&] { SafetensorsFile::open(path, mode); }, all);
}

SafetensorsFile opened(const ScratchFolder &folder, const std::string &file) { return SafetensorsFile::open(folder.write("model.safetensors", file)); }

TEST(Safetensors, ReadsTensorsAndMetadata) {
  ScratchFolder folder;
  std::string data = kData;
  float value = 2.5f;
  std::memcpy(data.data() + 28, &value, 4);
  auto file = opened(folder, packed("{\"__metadata__\":{\"format\":\"pt\"}," + kWeight + "," + kBias + "}", data));
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  const TensorInfo *bias = file.find("layer.bias");
  ASSERT_NE(bias, nullptr);
  EXPECT_EQ(bias->dtype, DType::F32);
  EXPECT_EQ(bias->shape, (std::vector<int64_t>{2}));
  EXPECT_EQ(file.readFloats(*bias), (std::vector<float>{0, 2.5f}));
  EXPECT_EQ(file.data(*bias).size(), 8u);
  EXPECT_EQ(file.find("layer"), nullptr);
  EXPECT_EQ(file.where(*bias), folder.path("model.safetensors") + ":layer.bias");
}

TEST(Safetensors, HeaderOnlyModeGivesTheSameHeader) {
  ScratchFolder folder;
  auto mapped = opened(folder, packed("{" + kWeight + "," + kBias + "}", kData));
  auto header = SafetensorsFile::open(mapped.path(), Mode::HeaderOnly);
  ASSERT_EQ(header.tensors().size(), 2u);
  EXPECT_EQ(header.fileOffset(header.tensors()[1]), mapped.fileOffset(mapped.tensors()[1]));
}

TEST(Safetensors, ValidNearMissesLoad) {
  ScratchFolder folder;
  EXPECT_EQ(opened(folder, packed("{" + kWeight + "," + kBias + "}" + std::string(5000, ' '), kData)).tensors().size(), 2u) << "long padding";
  EXPECT_EQ(opened(folder, packed("{}", "")).tensors().size(), 0u) << "no tensors";
  EXPECT_EQ(opened(folder, packed("{\"__metadata__\":{}}", "")).metadata().size(), 0u);
  auto empty = opened(folder, packed("{" + entry("none", "F32", "[0,4]", "[0,0]") + "," + entry("one", "F32", "[]", "[0,4]") + "," +
                                         entry("end", "I64", "[3,0]", "[4,4]") + "}",
                                     std::string(4, 'x')));
  EXPECT_EQ(empty.find("none")->elementCount(), 0);
  EXPECT_EQ(empty.readFloats(*empty.find("none")).size(), 0u);
  EXPECT_EQ(empty.find("one")->elementCount(), 1) << "a scalar";
  EXPECT_EQ(opened(folder, packed("{" + entry("huge", "F32", "[4611686018427387904,4611686018427387904,0]", "[0,0]") + "}", "")).tensors().size(), 1u)
      << "an extent of 0 makes it empty";
  EXPECT_EQ(opened(folder, packed("{" + kBias + "," + kWeight + "}", kData)).tensors().size(), 2u) << "any order";
  EXPECT_EQ(opened(folder, packed("{" + entry("t", "BOOL", "[3]", "[0,3]") + "}", "abc")).tensors().size(), 1u);
  EXPECT_EQ(opened(folder, packed("{\"\\u00e4\":{\"data_offsets\":[0,1],\"shape\":[1],\"dtype\":\"U8\"}}", "a")).tensors()[0].name, "ä");
}

TEST(Safetensors, ImpossibleHeaderLengths) {
  expectRefused(210, "");
  expectRefused(210, "1234567");
  std::string header = "{" + kWeight + "," + kBias + "}";
  expectRefused(210, packed(header, kData, header.size() + kData.size() + 1));
  expectRefused(210, packed(header, kData, 100 * 1024 * 1024 + 8));
  expectRefused(210, packed(header, kData, uint64_t(1) << 63));
  expectRefused(210, packed(header, kData, ~uint64_t(0)));
}

TEST(Safetensors, HeaderThatIsNoJsonObject) {
  expectRefused(211, packed("", ""));
  expectRefused(211, packed("{this is not json", kData));
  expectRefused(211, packed("[1, 2, 3]", kData));
  expectRefused(211, packed("7", kData));
  expectRefused(211, packed("\"a\"", kData));
  expectRefused(211, packed("{\"\xff\xfe\": 1}", kData));
  expectRefused(211, packed("{" + kWeight + "," + kBias, kData));
  expectRefused(211, packed("{" + kWeight + "," + kBias + "} x", kData));
  expectRefused(211, packed(std::string(1000000, '['), kData));
  expectRefused(213, packed("{\"a\":" + std::string(1000000, '['), kData));
}

TEST(Safetensors, NamesTwice) {
  expectRefused(212, packed("{" + kWeight + "," + kWeight + "," + kBias + "}", kData), {"layer.weight"});
  expectRefused(212, packed("{\"__metadata__\":{},\"__metadata__\":{}}", ""), {"__metadata__"});
  expectRefused(212, packed("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", ""), {"__metadata__"});
  expectRefused(212, packed("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "x"), {":a:"});
}

TEST(Safetensors, MalformedEntries) {
  for (const char *value : {"1", "null", "true", "\"x\"", "[]", "1.5", "-3"})
    expectRefused(213, packed("{\"a\":" + std::string(value) + "}", ""), {":a:"});
  expectRefused(213, packed("{\"a\":{}}", ""), {":a:"});
  expectRefused(213, packed("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", ""), {":a:"});
  expectRefused(213, packed("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]}}", "x"), {":a:"});
  expectRefused(213, packed("{" + entry("a", "U8", "[-1]", "[0,1]") + "}", "x"), {":a:"});
  expectRefused(213, packed("{" + entry("a", "U8", "[1.0]", "[0,1]") + "}", "x"), {":a:"});
  expectRefused(213, packed("{" + entry("a", "U8", "[[1]]", "[0,1]") + "}", "x"), {":a:"});
  expectRefused(213, packed("{" + entry("a", "U8", "1", "[0,1]") + "}", "x"), {":a:"});
  expectRefused(213, packed("{" + entry("a", "U8", "[1]", "[0]") + "}", "x"), {":a:"});
  expectRefused(215, packed("{" + entry("a", "U8", "[1]", "[0,1,2]") + "}", "x"), {":a:"});
  expectRefused(213, packed("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"extra\":1}}", "x"), {":a:", "extra"});
  expectRefused(213, packed("{\"__metadata__\":{\"a\":1}}", ""), {"__metadata__"});
  expectRefused(213, packed("{\"__metadata__\":{\"a\":{}}}", ""), {"__metadata__"});
  expectRefused(213, packed("{\"__metadata__\":[]}", ""), {"__metadata__"});
  std::string manyDimensions = "[1";
  for (int i = 0; i < 1000; ++i)
    manyDimensions += ",1";
  expectRefused(213, packed("{" + entry("a", "U8", manyDimensions + "]", "[0,1]") + "}", "x"), {":a:"});
}

TEST(Safetensors, UnknownTypeNamesTensorAndType) {
  expectRefused(214, packed("{" + entry("layer.weight", "F12", "[1]", "[0,1]") + "}", "x"), {"layer.weight", "F12"});
}

TEST(Safetensors, BadOffsets) {
  expectRefused(215, packed("{" + entry("layer.weight", "U8", "[4]", "[-4,0]") + "}", "1234"), {"layer.weight", "-4"});
  expectRefused(215, packed("{" + entry("layer.weight", "U8", "[4]", "[4,0]") + "}", "1234"), {"layer.weight"});
  expectRefused(215, packed("{" + entry("layer.weight", "U8", "[4]", "[4,8]") + "}", "1234"), {"layer.weight"});
  expectRefused(215, packed("{" + entry("layer.weight", "U8", "[4]", "[0,4.5]") + "}", "1234"), {"layer.weight"});
  expectRefused(215, packed("{" + entry("layer.weight", "U8", "[4]", "[0,99999999999999999999]") + "}", "1234"), {"layer.weight"});
  expectRefused(215, packed("{" + kWeight + "," + kBias + "}", kData.substr(1)), {"layer.bias"});
}

TEST(Safetensors, SizeAndShapeDisagree) {
  expectRefused(216, packed("{" + entry("layer.weight", "F32", "[2,2]", "[0,12]") + "}", std::string(12, 'x')), {"layer.weight", "16 bytes", "12 bytes"});
  expectRefused(216, packed("{" + entry("layer.weight", "F32", "[0]", "[0,4]") + "}", "1234"), {"layer.weight"});
  expectRefused(216, packed("{" + entry("layer.weight", "F32", "[8589934592,8589934592]", "[0,4]") + "}", "1234"), {"layer.weight"});
  expectRefused(216, packed("{" + entry("layer.weight", "F64", "[2305843009213693952]", "[0,0]") + "}", ""), {"layer.weight"});
  expectRefused(216, packed("{" + entry("layer.weight", "U8", "[9223372036854775808]", "[0,0]") + "}", ""), {"layer.weight"});
}

TEST(Safetensors, OverlapsAndGaps) {
  expectRefused(217, packed("{" + entry("a", "U8", "[4]", "[0,4]") + "," + entry("b", "U8", "[4]", "[2,6]") + "}", "123456"), {":b:", "a"});
  expectRefused(217, packed("{" + entry("a", "U8", "[4]", "[0,4]") + "," + entry("b", "U8", "[4]", "[0,4]") + "}", "1234"), {"a", "b"});
  expectRefused(218, packed("{" + entry("a", "U8", "[2]", "[0,2]") + "," + entry("b", "U8", "[2]", "[4,6]") + "}", "123456"), {":b:"});
  expectRefused(218, packed("{" + entry("b", "U8", "[2]", "[4,6]") + "}", "123456"), {":b:"});
  expectRefused(218, packed("{" + entry("a", "U8", "[2]", "[0,2]") + "}", "123456"), {"6"});
}

TEST(Safetensors, EscapesInNamesDoNotReachTheTerminal) { expectRefused(214, packed("{" + entry("\\u001b[2J", "F12", "[1]", "[0,1]") + "}", "x"), {"?[2J"}); }

TEST(Safetensors, WriterRoundTrip) {
  ScratchFolder folder;
  float values[] = {1, -2, 3, 0.5f, 5, 6};
  int64_t ids[] = {7, -8};
  uint8_t odd[] = {1, 2, 3};
  uint16_t half = floatToHalf(1.5f);
  writeSafetensors(folder.path("out.safetensors"),
                   {{"odd", DType::U8, {3}, odd},
                    {"w \"quoted\"", DType::F32, {2, 3}, values},
                    {"ids", DType::I64, {2}, ids},
                    {"scalar", DType::F16, {}, &half},
                    {"none", DType::F32, {0, 3}, nullptr}},
                   {{"format", "pt"}, {"text", "ä\n"}});
  EXPECT_EQ(folder.fileCount(), 1u);
  auto file = SafetensorsFile::open(folder.path("out.safetensors"));
  EXPECT_EQ(file.tensors().size(), 5u);
  EXPECT_EQ(file.metadata().at("text"), "ä\n");
  EXPECT_EQ(file.readFloats(*file.find("w \"quoted\"")), std::vector<float>(values, values + 6));
  EXPECT_EQ(file.readFloats(*file.find("scalar")), (std::vector<float>{1.5f}));
  EXPECT_EQ(std::memcmp(file.data(*file.find("ids")).data(), ids, sizeof ids), 0);
  EXPECT_EQ(file.find("none")->shape, (std::vector<int64_t>{0, 3}));
  for (const TensorInfo &info : file.tensors())
    EXPECT_EQ(file.fileOffset(info) % dtypeSize(info.dtype), 0u) << info.name << " is aligned";
}

TEST(Safetensors, WriterFailsCleanly) {
  ScratchFolder folder;
  uint8_t byte = 1;
  expectError(999,
              [&] {
                writeSafetensors(folder.path("out.safetensors"), {{"a", DType::U8, {1}, &byte}, {"a", DType::U8, {1}, &byte}});
              },
              {"out.safetensors"});
  expectError(901, [&] { writeSafetensors(folder.path("none/out.safetensors"), {}); });
  EXPECT_EQ(folder.fileCount(), 0u);
}

} // namespace
} // namespace hb
