#include "runtime/module/Module.h"

#include "runtime/base/Error.h"
#include "runtime/module/KernelClass.h"
#include "tests/runtime/base/ScratchFolder.h"
#include "tests/runtime/module/ModuleText.h"

#include <gtest/gtest.h>

#include <set>

namespace hb::test {
namespace {

class ModuleTest : public testing::Test {
protected:
  /// The error number of opening these bytes as a module, 0 when they open.
  int openError(const std::string &bytes) {
    std::string path = folder_.path("m.hbm");
    writeBytes(path, bytes);
    try {
      Module::open(path);
      return 0;
    } catch (const Error &error) {
      EXPECT_EQ(error.exitCode(), ExitCode::BadFile) << error.what();
      EXPECT_NE(std::string(error.what()).find("m.hbm"), std::string::npos) << error.what();
      return error.number();
    }
  }
  int openError(const nlohmann::json &header) { return openError(moduleBytes(header.dump())); }

  ScratchFolder folder_;
};

TEST_F(ModuleTest, ReadsEverything) {
  std::string path = folder_.path("m.hbm");
  writeBytes(path, moduleBytes(smallHeader().dump()));
  Module module = Module::open(path);
  EXPECT_EQ(module.compiler, "hbc test");
  ASSERT_EQ(module.programs.size(), 1u);
  const Program &program = module.entry("double");
  EXPECT_EQ(program.arenaBytes, 192u);
  EXPECT_EQ(program.inputs[2].range->second, 5);
  ASSERT_EQ(program.commands.size(), 3u);
  EXPECT_EQ(program.commands[1].kind, Command::Kind::Repeat);
  EXPECT_EQ(program.commands[1].body.size(), 2u);
  EXPECT_EQ(module.constants().size(), 64u);
  EXPECT_EQ(module.math, "strict"); // as modules were before they said so
  EXPECT_EQ(module.dtype, "f32");
}

TEST_F(ModuleTest, UnknownEntryListsTheKnownOnes) {
  std::string path = folder_.path("m.hbm");
  writeBytes(path, moduleBytes(smallHeader().dump()));
  Module module = Module::open(path);
  try {
    module.entry("half");
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.number(), 501);
    EXPECT_NE(std::string(error.what()).find("double"), std::string::npos);
  }
}

TEST_F(ModuleTest, RefusesEveryTruncation) {
  std::string bytes = moduleBytes(smallHeader().dump());
  for (size_t length = 0; length < bytes.size(); ++length)
    EXPECT_NE(openError(bytes.substr(0, length)), 0) << length;
}

TEST_F(ModuleTest, ByteFlipsNeverCrash) {
  std::string bytes = moduleBytes(smallHeader().dump());
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int bit : {0, 3, 7}) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      openError(damaged);
    }
}

TEST_F(ModuleTest, NoHeader) {
  EXPECT_EQ(openError(std::string("seven b")), 401);
  EXPECT_EQ(openError(std::string(8, '\xff')), 401);
  EXPECT_EQ(openError(moduleBytes("[1, 2]")), 402);
  EXPECT_EQ(openError(moduleBytes("{\"format\": 1,")), 402);
}

TEST_F(ModuleTest, AnotherVersion) {
  nlohmann::json header = smallHeader();
  header["format"] = 1;
  EXPECT_EQ(openError(header), 404);
  header["format"] = 2;
  header["kernel_abi"] = 99;
  EXPECT_EQ(openError(header), 404);
}

TEST_F(ModuleTest, ImpossibleValues) {
  auto changed = [&](const char *pointer, nlohmann::json value) {
    nlohmann::json header = smallHeader();
    header[nlohmann::json::json_pointer(pointer)] = std::move(value);
    return openError(header);
  };
  EXPECT_EQ(changed("/targets/0/constants/size", 65), 405);
  EXPECT_EQ(changed("/targets/0/constants/offset", -1), 403);
  EXPECT_EQ(changed("/targets/0/kernels/0/grid", -4), 403);
  EXPECT_EQ(changed("/targets/0/programs/0/inputs/0/shape", {1ull << 40, 1ull << 40}), 403);
  EXPECT_EQ(changed("/targets/0/programs/0/inputs/0/dtype", "F12"), 403);
  EXPECT_EQ(changed("/targets/0/programs/0/commands/1/4/0/1", 1), 406);      // no such kernel
  EXPECT_EQ(changed("/targets/0/programs/0/commands/0/2/1", 192), 406);      // outside the arena
  EXPECT_EQ(changed("/targets/0/programs/0/commands/0/1/1", 3), 406);        // no such input
  EXPECT_EQ(changed("/targets/0/programs/0/commands/0/3", 33), 406);         // more bytes than the input has
  EXPECT_EQ(changed("/targets/0/programs/0/commands/1/3/1", 190), 406);      // counter half outside the arena
  EXPECT_EQ(changed("/targets/0/programs/0/commands/0/0", "jump"), 406);
  EXPECT_EQ(changed("/dtype", "bf16"), 0);
  EXPECT_EQ(changed("/dtype", "f8"), 403);
  EXPECT_EQ(changed("/dtype", 16), 403);
  EXPECT_EQ(changed("/math", "fast"), 0);
  EXPECT_EQ(changed("/math", "sloppy"), 403);
  EXPECT_EQ(changed("/math", 1), 403);
  EXPECT_EQ(changed("/targets/0/code", nlohmann::json::parse(R"([{"target": "x86-64", "cpu": "x", "offset": 0, "size": 100}])")), 405);
}

TEST_F(ModuleTest, ShapesOfKernelsAreReadAndChecked) {
  auto opened = [&](const std::string &family, const char *shape) {
    nlohmann::json header = smallHeader();
    header["targets"][0]["kernels"][0]["family"] = family;
    if (shape)
      header["targets"][0]["kernels"][0]["shape"] = nlohmann::json::parse(shape);
    std::string path = folder_.path("m.hbm");
    writeBytes(path, moduleBytes(header.dump()));
    return Module::open(path).kernels[0];
  };
  auto number = [&](const char *shape) {
    nlohmann::json header = smallHeader();
    header["targets"][0]["kernels"][0]["shape"] = nlohmann::json::parse(shape);
    return openError(header);
  };
  KernelInfo linear = opened("contract", R"({"form": "linear", "rows": 64, "columns": 320, "depth": 640})");
  EXPECT_EQ(linear.shape.rows, 64);
  EXPECT_EQ(linear.shape.columns, 320);
  EXPECT_EQ(linear.shape.depth, 640);
  EXPECT_EQ(kernelClass(linear), KernelClass::ManyRows);
  EXPECT_EQ(kernelClass(opened("contract", R"({"form": "linear", "rows": 63, "columns": 1, "depth": 1})")), KernelClass::FewRows);
  EXPECT_EQ(kernelClass(opened("contract", R"({"form": "conv2d", "rows": 64, "columns": 1, "depth": 9})")), KernelClass::Convolution);
  EXPECT_EQ(kernelClass(opened("contract", R"({"form": "planes", "planes": 16, "rows": 64, "columns": 1, "depth": 9})")), KernelClass::WinogradPlanes);
  auto attention = [&](int queries, int keys) {
    std::string shape = R"({"form": "attention", "batch": 2, "heads": 5, "width": 64, "value_width": 32, "queries": )" + std::to_string(queries) + ", \"keys\": " + std::to_string(keys) + "}";
    return opened("attention", shape.c_str());
  };
  EXPECT_EQ(attention(256, 256).shape.valueWidth, 32);
  EXPECT_EQ(kernelClass(attention(256, 256)), KernelClass::SelfAttention);
  EXPECT_EQ(kernelClass(attention(256, 77)), KernelClass::FewKeys);
  EXPECT_EQ(kernelClass(attention(77, 77)), KernelClass::FewKeys);
  EXPECT_EQ(kernelClass(opened("contract", nullptr)), KernelClass::Unrecorded); // as older compilers wrote it
  EXPECT_EQ(kernelClass(opened("map", nullptr)), KernelClass::Rest);

  EXPECT_EQ(number(R"({"form": "cubic", "rows": 1, "columns": 1, "depth": 1})"), 403);
  EXPECT_EQ(number(R"({"rows": 1, "columns": 1, "depth": 1})"), 403);
  EXPECT_EQ(number(R"({"form": "linear", "rows": 1, "columns": 1})"), 403);
  EXPECT_EQ(number(R"({"form": "linear", "rows": 0, "columns": 1, "depth": 1})"), 403);
  EXPECT_EQ(number(R"({"form": "linear", "rows": 1, "columns": -5, "depth": 1})"), 403);
  EXPECT_EQ(number(R"({"form": "linear", "rows": 1, "columns": 1, "depth": 1152921504606846976})"), 403);
  EXPECT_EQ(number(R"({"form": "linear", "rows": 1, "columns": 1, "depth": "1"})"), 403);
  EXPECT_EQ(number(R"([64, 64])"), 403);
}

TEST(KernelClasses, EachHasAName) {
  std::set<KernelClass> named;
  for (const KernelClassName &row : kernelClasses())
    named.insert(row.kind);
  EXPECT_EQ(named.size(), static_cast<size_t>(KernelClass::Rest) + 1);
}

} // namespace
} // namespace hb::test
