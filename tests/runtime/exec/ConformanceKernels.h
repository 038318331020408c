// The kernels of conformance.c as PTX, and modules made of them.
#pragma once

#include "tests/runtime/base/ScratchFolder.h"
#include "tests/runtime/module/ModuleText.h"

#include <nlohmann/json.hpp>

#include <string>

namespace hb::test {

inline const std::string kConformancePtx = R"(
.version 7.0
.target sm_80
.address_size 64

.visible .entry twice_0(.param .u64 p0, .param .u64 p1)
{
  .reg .b32 %r<5>;
  .reg .b64 %rd<8>;
  .reg .f32 %f<3>;
  ld.param.u64 %rd1, [p0];
  ld.param.u64 %rd2, [p1];
  cvta.to.global.u64 %rd3, %rd1;
  cvta.to.global.u64 %rd4, %rd2;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.s32 %r4, %r1, %r2, %r3;
  mul.wide.s32 %rd5, %r4, 4;
  add.s64 %rd6, %rd3, %rd5;
  add.s64 %rd7, %rd4, %rd5;
  ld.global.f32 %f1, [%rd6];
  add.f32 %f2, %f1, %f1;
  st.global.f32 [%rd7], %f2;
  ret;
}

.visible .entry affine_0(.param .u64 p0, .param .u64 p1, .param .u64 p2, .param .u64 p3)
{
  .reg .b32 %r<5>;
  .reg .b64 %rd<14>;
  .reg .f32 %f<6>;
  ld.param.u64 %rd1, [p0];
  ld.param.u64 %rd2, [p1];
  ld.param.u64 %rd3, [p2];
  ld.param.u64 %rd4, [p3];
  cvta.to.global.u64 %rd5, %rd1;
  cvta.to.global.u64 %rd6, %rd2;
  cvta.to.global.u64 %rd7, %rd3;
  cvta.to.global.u64 %rd8, %rd4;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.s32 %r4, %r1, %r2, %r3;
  mul.wide.s32 %rd9, %r4, 4;
  add.s64 %rd10, %rd5, %rd9;
  add.s64 %rd11, %rd6, %rd9;
  add.s64 %rd12, %rd7, %rd9;
  add.s64 %rd13, %rd8, %rd9;
  ld.global.f32 %f1, [%rd10];
  ld.global.f32 %f2, [%rd11];
  ld.global.f32 %f3, [%rd12];
  mul.rn.f32 %f4, %f1, %f2;
  add.rn.f32 %f5, %f4, %f3;
  st.global.f32 [%rd13], %f5;
  ret;
}

.visible .entry count_0(.param .u64 p0, .param .u64 p1, .param .u64 p2)
{
  .reg .b64 %rd<13>;
  ld.param.u64 %rd1, [p0];
  ld.param.u64 %rd2, [p1];
  ld.param.u64 %rd3, [p2];
  cvta.to.global.u64 %rd4, %rd1;
  cvta.to.global.u64 %rd5, %rd2;
  cvta.to.global.u64 %rd6, %rd3;
  ld.global.u64 %rd7, [%rd4];
  ld.global.u64 %rd8, [%rd5];
  ld.global.u64 %rd9, [%rd6];
  mul.lo.s64 %rd10, %rd9, 10;
  add.s64 %rd11, %rd10, %rd7;
  add.s64 %rd12, %rd11, %rd8;
  st.global.u64 [%rd6], %rd12;
  ret;
}
)";

/// Eight floats in, eight out, whatever the program; `w` is 1 … 8 in the checkpoint, `s` an adapter's scale of rank 8, the constants are 0.5 each.
inline const char *kConformancePrograms = R"([
  {"name": "copy", "arena_bytes": 64, "lower_bound_bytes": 32,
   "inputs": [{"name": "x", "dtype": "F32", "shape": [8]}], "outputs": [{"name": "y", "dtype": "F32", "shape": [8]}, {"name": "c", "dtype": "F32", "shape": [4]}],
   "commands": [["copy", ["i", 0], ["a", 0], 32], ["copy", ["a", 0], ["o", 0], 32], ["copy", ["c", 16], ["o", 1], 16]]},
  {"name": "double", "arena_bytes": 192, "lower_bound_bytes": 96,
   "inputs": [{"name": "x", "dtype": "F32", "shape": [8]}, {"name": "count", "dtype": "I64", "shape": []}], "outputs": [{"name": "y", "dtype": "F32", "shape": [8]}],
   "commands": [["copy", ["i", 0], ["a", 0], 32], ["repeat", ["i", 1], 10, ["a", 128], [["launch", 0, [["a", 0], ["a", 64]]], ["copy", ["a", 64], ["a", 0], 32]]], ["copy", ["a", 0], ["o", 0], 32]]},
  {"name": "weighted", "arena_bytes": 64, "lower_bound_bytes": 32,
   "inputs": [{"name": "x", "dtype": "F32", "shape": [8]}], "outputs": [{"name": "y", "dtype": "F32", "shape": [8]}],
   "commands": [["launch", 1, [["i", 0], ["w", 0], ["c", 0], ["a", 0]]], ["launch", 1, [["a", 0], ["w", 1], ["c", 0], ["o", 0]]]]},
  {"name": "nested", "arena_bytes": 192, "lower_bound_bytes": 24,
   "inputs": [{"name": "n", "dtype": "I64", "shape": []}], "outputs": [{"name": "y", "dtype": "I64", "shape": []}],
   "commands": [["copy", ["c", 64], ["o", 0], 8],
                ["repeat", null, 2, ["a", 0], [["repeat", null, 3, ["a", 64], [["launch", 2, [["a", 0], ["a", 64], ["o", 0]]]]]]],
                ["repeat", null, 2, ["a", 0], [["repeat", ["i", 0], 5, ["a", 64], [["launch", 2, [["a", 0], ["a", 64], ["o", 0]]]]]]]]}
])";

/// A file in `folder` for the processor and for CUDA; its checkpoint lies beside it. `ptx` and `target` may be others than they should be.
struct ConformanceModule {
  std::string ptx = kConformancePtx, target = "cuda:sm_80";
  uint64_t sharedBytes = 0;

  std::string write(const ScratchFolder &folder) const {
    const std::string library = contentsOf(HB_CONFORMANCE_LIBRARY);
    // Constants: eight halves, then zeros.
    std::string constants(128, '\0');
    for (int i = 0; i < 8; ++i) {
      float half = 0.5f;
      constants.replace(static_cast<size_t>(i) * 4, 4, reinterpret_cast<const char *>(&half), 4);
    }
    const size_t librarySize = (library.size() + 63) / 64 * 64;
    std::string blobs = constants + library;
    blobs.resize(128 + librarySize);
    blobs += ptx;
    nlohmann::json kernels = nlohmann::json::array();
    for (const char *symbol : {"twice_0", "affine_0", "count_0"})
      kernels.push_back({{"symbol", symbol}, {"family", "map"}, {"grid", symbol == std::string("count_0") ? 1 : 4}, {"block", 1}, {"shared_bytes", 0}, {"scratch_bytes", 0}});
    nlohmann::json weights = {{{"layout", "dense"}, {"dtype", "F32"}, {"shape", {8}}, {"sources", {{{"scope", ""}, {"key", "w"}, {"dtype", "F32"}, {"shape", {8}}}}}},
                              {{"layout", "dense"}, {"dtype", "F32"}, {"shape", {8}}, {"sources", {{{"scope", "adapter:net"}, {"key", "site.lora_scale"}, {"dtype", "F32"}, {"shape", {8}}}}}}};
    nlohmann::json cpu = {{"name", "x86-64"}, {"weights", weights}, {"kernels", kernels}, {"constants", {{"offset", 0}, {"size", 128}}}, {"programs", nlohmann::json::parse(kConformancePrograms)}};
    nlohmann::json cuda = cpu;
    cpu["code"] = {{{"target", "x86-64"}, {"cpu", "test"}, {"features", nlohmann::json::array()}, {"offset", 128}, {"size", library.size()}}};
    cuda["name"] = target;
    cuda["code"] = {{{"target", target}, {"cpu", "ptx"}, {"offset", 128 + librarySize}, {"size", ptx.size()}}};
    for (size_t i : {0, 1}) {
      cuda["kernels"][i]["block"] = 2;
      cuda["kernels"][i]["shared_bytes"] = sharedBytes;
    }
    nlohmann::json header = smallHeader();
    header["model"]["path"] = folder.path();
    header["scopes"] = {{{"name", ""}, {"path", folder.path()}}};
    header["targets"] = {cpu, cuda};
    const float w[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    writeSafetensors(folder.path("model.safetensors"), {{"w", DType::F32, {8}, w}});
    writeBytes(folder.path("m.hbm"), moduleBytes(header.dump(), blobs));
    return folder.path("m.hbm");
  }
};

} // namespace hb::test
