// kernel.map, kernel.concat and kernel.gather against plain loops over indices.
#include "tests/lowering/emit/CompiledKernel.h"

#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <numeric>

namespace hb::test {
namespace {

using Index = std::vector<int64_t>;

std::string shapeText(const Index &shape) {
  std::string text;
  for (int64_t extent : shape)
    text += fmt::format("{}x", extent);
  return text;
}
int64_t sizeOf(const Index &shape) { return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>()); }

/// Visits all indices of a shape in row-major order.
void forAll(const Index &shape, const std::function<void(const Index &, int64_t flat)> &visit) {
  Index index(shape.size(), 0);
  for (int64_t flat = 0, size = sizeOf(shape); flat < size; ++flat) {
    visit(index, flat);
    for (size_t axis = shape.size(); axis-- > 0 && ++index[axis] == shape[axis];)
      index[axis] = 0;
  }
}

/// One operand: where it reads, as the map's text and as a function of the result's index (flat position, or −1: outside, zero).
struct Source {
  Index shape;
  std::string map;
  std::function<int64_t(const Index &)> at;
  bool zeroOutside = false;
};

/// Maps of f32 operands with body Σ (i+1)·operand_i.
void checkMap(const Index &result, const std::vector<Source> &sources, const std::string &resultEncoding = "", const Index &resultStrides = {}, int64_t resultOffset = 0) {
  std::string arguments, inputs, types, maps, zeros, blockArguments, body = "  %z0 = arith.constant 0.0 : f32\n";
  for (size_t i = 0; i < sources.size(); ++i) {
    std::string type = fmt::format("tensor<{}f32>", shapeText(sources[i].shape)), comma = i ? ", " : "";
    arguments += fmt::format("{}%x{}: {}", comma, i, type);
    inputs += fmt::format("{}%x{}", comma, i);
    types += comma + type;
    maps += fmt::format("{}affine_map<{}>", comma, sources[i].map);
    zeros += comma + (sources[i].zeroOutside ? "true" : "false");
    blockArguments += fmt::format("{}%a{}: f32", comma, i);
    body += fmt::format("  %c{0} = arith.constant {1}.0 : f32\n  %m{0} = arith.mulf %a{0}, %c{0} : f32\n  %z{1} = arith.addf %z{0}, %m{0} : f32\n", i, i + 1);
  }
  std::string type = fmt::format("tensor<{}f32{}>", shapeText(result), resultEncoding);
  std::string text = fmt::format("kernel.def @map({}) -> {} {{\n %y = kernel.map ({} : {}) [{}] {{zero_outside = array<i1: {}>}} -> {} {{\n ^bb0({}):\n{}  kernel.yield %z{} : f32\n }}\n "
                                 "kernel.return %y : {}\n}}\n",
                                 arguments, type, inputs, types, maps, zeros, type, blockArguments, body, sources.size(), type);
  std::vector<std::vector<float>> data;
  for (size_t i = 0; i < sources.size(); ++i)
    data.push_back(normals(sizeOf(sources[i].shape), 10 + i));
  for (const char *cpu : allLevels) {
    if (!canRun(cpu))
      continue;
    CompiledKernel kernel(text, cpu);
    ASSERT_EQ(kernel.error(), "") << text;
    std::vector<Buffer<float>> storage;
    for (auto &values : data)
      storage.emplace_back(values, 1);
    int64_t span = sizeOf(result);
    if (!resultStrides.empty()) {
      span = resultOffset + 1;
      for (size_t axis = 0; axis < result.size(); ++axis)
        span += (result[axis] - 1) * resultStrides[axis];
    }
    Buffer<float> out(std::vector<float>(span, -77.0f), 3);
    std::vector<void *> buffers;
    for (auto &buffer : storage)
      buffers.push_back(buffer);
    buffers.push_back(out);
    kernel.run(buffers);
    EXPECT_TRUE(out.intact()) << cpu << text;
    int64_t wrong = 0;
    std::vector<bool> written(span, false);
    forAll(result, [&](const Index &index, int64_t flat) {
      float expected = 0;
      for (size_t i = 0; i < sources.size(); ++i) {
        int64_t at = sources[i].at(index);
        expected += (at < 0 ? 0.0f : data[i][at]) * float(i + 1);
      }
      int64_t place = flat;
      if (!resultStrides.empty()) {
        place = resultOffset;
        for (size_t axis = 0; axis < result.size(); ++axis)
          place += index[axis] * resultStrides[axis];
      }
      written[place] = true;
      if (out[place] != expected && ++wrong == 1)
        ADD_FAILURE() << cpu << " at " << fmt::format("{}", flat) << ": " << out[place] << ", expected " << expected << "\n" << text;
    });
    for (int64_t place = 0; place < span; ++place)
      if (!written[place])
        EXPECT_EQ(out[place], -77.0f) << "an element outside the result was written";
    EXPECT_EQ(wrong, 0) << cpu;
  }
}

TEST(MapTest, ElementwiseAndBroadcast) {
  for (int64_t size : {1, 3, 16, 37, 1000, 70001})
    checkMap({size}, {{{size}, "(d0) -> (d0)", [](const Index &i) { return i[0]; }}, {{}, "(d0) -> ()", [](const Index &) { return 0; }}});
  checkMap({2, 5, 77}, {{{2, 5, 77}, "(a, b, c) -> (a, b, c)", [](const Index &i) { return (i[0] * 5 + i[1]) * 77 + i[2]; }},
                        {{77}, "(a, b, c) -> (c)", [](const Index &i) { return i[2]; }},
                        {{2, 5}, "(a, b, c) -> (a, b)", [](const Index &i) { return i[0] * 5 + i[1]; }}});
  checkMap({}, {{{}, "() -> ()", [](const Index &) { return 0; }}});
  checkMap({3, 40}, {{{3, 1}, "(a, b) -> (a, 0)", [](const Index &i) { return i[0]; }}, {{9, 99}, "(a, b) -> (a * 2 + 1, b * 2 + 3)", [](const Index &i) { return (i[0] * 2 + 1) * 99 + i[1] * 2 + 3; }}});
}

TEST(MapTest, LargeRowsInPieces) {
  checkMap({2, 150001}, {{{2, 150001}, "(a, b) -> (a, b)", [](const Index &i) { return i[0] * 150001 + i[1]; }}, {{2}, "(a, b) -> (a)", [](const Index &i) { return i[0]; }}});
}

TEST(MapTest, Transposes) {
  for (auto [c, h, w] : {std::tuple{3, 7, 9}, {40, 16, 16}, {64, 9, 33}, {17, 20, 5}, {320, 12, 12}, {4, 64, 64}}) {
    int64_t C = c, H = h, W = w;
    checkMap({2, H, W, C}, {{{2, C, H, W}, "(b, h, w, c) -> (b, c, h, w)", [=](const Index &i) { return ((i[0] * C + i[3]) * H + i[1]) * W + i[2]; }}});
    checkMap({2, C, H, W}, {{{2, H, W, C}, "(b, c, h, w) -> (b, h, w, c)", [=](const Index &i) { return ((i[0] * H + i[2]) * W + i[3]) * C + i[1]; }},
                            {{C}, "(b, c, h, w) -> (c)", [=](const Index &i) { return i[1]; }}});
  }
  checkMap({33, 41}, {{{41, 33}, "(a, b) -> (b, a)", [](const Index &i) { return i[1] * 33 + i[0]; }}, {{41, 33}, "(a, b) -> (b, a)", [](const Index &i) { return i[1] * 33 + i[0]; }},
                      {{33, 41}, "(a, b) -> (a, b)", [](const Index &i) { return i[0] * 41 + i[1]; }}});
}

TEST(MapTest, Padding) {
  auto nhwc = [](int64_t H, int64_t W, int64_t C, int64_t top, int64_t left) {
    return [=](const Index &i) -> int64_t {
      int64_t h = i[1] - top, w = i[2] - left;
      return h < 0 || h >= H || w < 0 || w >= W ? -1 : ((i[0] * H + h) * W + w) * C + i[3];
    };
  };
  for (int64_t C : {1, 3, 8, 20, 64})
    checkMap({2, 9, 10, C}, {{{2, 7, 8, C}, "(b, h, w, c) -> (b, h - 1, w - 1, c)", nhwc(7, 8, C, 1, 1), true}});
  // The innermost dimension padded, clipped and shifted.
  checkMap({5, 50}, {{{3, 40}, "(a, b) -> (a - 1, b - 7)",
                      [](const Index &i) -> int64_t { return i[0] < 1 || i[0] > 3 || i[1] < 7 || i[1] >= 47 ? -1 : (i[0] - 1) * 40 + i[1] - 7; }, true}});
  checkMap({5, 9}, {{{5, 30}, "(a, b) -> (a, b * 4 - 3)", [](const Index &i) -> int64_t { int64_t b = i[1] * 4 - 3; return b < 0 || b >= 30 ? -1 : i[0] * 30 + b; }, true}});
  checkMap({2, 30}, {{{2, 14}, "(a, b) -> (a, (b - 1) floordiv 2)", [](const Index &i) -> int64_t {
                        int64_t b = i[1] - 1 < 0 ? -1 : (i[1] - 1) / 2;
                        return b < 0 || b >= 14 ? -1 : i[0] * 14 + b;
                      }, true}});
}

TEST(MapTest, ResizeReshapeShuffle) {
  checkMap({2, 8, 10, 24}, {{{2, 4, 5, 24}, "(b, h, w, c) -> (b, h floordiv 2, w floordiv 2, c)", [](const Index &i) { return ((i[0] * 4 + i[1] / 2) * 5 + i[2] / 2) * 24 + i[3]; }}});
  // Nearest resize by no whole factor, written as a scaled index.
  checkMap({1, 7, 9, 6}, {{{1, 4, 5, 6}, "(b, h, w, c) -> (b, (h * 4) floordiv 7, (w * 5) floordiv 9, c)", [](const Index &i) { return ((i[1] * 4 / 7) * 5 + i[2] * 5 / 9) * 6 + i[3]; }}});
  // Heads to the front, and back as one flat reshape.
  checkMap({2, 3, 11, 16}, {{{2, 11, 48}, "(b, h, n, d) -> (b, n, h * 16 + d)", [](const Index &i) { return (i[0] * 11 + i[2]) * 48 + i[1] * 16 + i[3]; }}});
  checkMap({2, 11, 48}, {{{2, 3, 11, 16}, "(b, n, c) -> (b, c floordiv 16, n, c mod 16)", [](const Index &i) { return ((i[0] * 3 + i[2] / 16) * 11 + i[1]) * 16 + i[2] % 16; }}});
  // Patches: [B, H, W, C] to [B, patches, kh·kw·C].
  checkMap({2, 6, 48}, {{{2, 8, 12, 3}, "(b, p, k) -> (b, (p floordiv 3) * 4 + k floordiv 12, (p mod 3) * 4 + (k mod 12) floordiv 3, k mod 3)", [](const Index &i) {
                           int64_t y = i[1] / 3 * 4 + i[2] / 12, x = i[1] % 3 * 4 + i[2] % 12 / 3;
                           return ((i[0] * 8 + y) * 12 + x) * 3 + i[2] % 3;
                         }}});
  checkMap({4, 12}, {{{48}, "(a, b) -> (a * 12 + b)", [](const Index &i) { return i[0] * 12 + i[1]; }}});
  checkMap({48}, {{{6, 8}, "(a) -> (a floordiv 8, a mod 8)", [](const Index &i) { return i[0]; }}});
  checkMap({4, 10}, {{{5, 8}, "(a, b) -> ((a * 10 + b) floordiv 8, (a * 10 + b) mod 8)", [](const Index &i) { return i[0] * 10 + i[1]; }}});
}

TEST(MapTest, StridedResult) {
  checkMap({3, 4, 21}, {{{3, 4, 21}, "(a, b, c) -> (a, b, c)", [](const Index &i) { return (i[0] * 4 + i[1]) * 21 + i[2]; }}}, ", #kernel.strided<5, [200, 40, 1]>", {200, 40, 1}, 5);
  checkMap({3, 21}, {{{3, 21}, "(a, b) -> (a, b)", [](const Index &i) { return i[0] * 21 + i[1]; }}}, ", #kernel.strided<0, [1, 3]>", {1, 3}, 0);
}

TEST(MapTest, InPlace) {
  std::string text = "kernel.def @map(%x: tensor<1003xf32>, %z: tensor<1003xf32>) -> tensor<1003xf32> {\n %y = kernel.map (%x, %z : tensor<1003xf32>, tensor<1003xf32>) "
                     "[affine_map<(a) -> (a)>, affine_map<(a) -> (a)>] -> tensor<1003xf32> {\n ^bb0(%a: f32, %b: f32):\n  %s = arith.addf %a, %b : f32\n  kernel.yield %s : f32\n }\n kernel.return %y : "
                     "tensor<1003xf32>\n}\n";
  for (const char *cpu : allLevels) {
    if (!canRun(cpu))
      continue;
    CompiledKernel kernel(text, cpu);
    ASSERT_EQ(kernel.error(), "");
    std::vector<float> x = normals(1003, 1), z = normals(1003, 2);
    Buffer<float> xs(x), zs(z);
    kernel.run({xs, zs, xs});
    for (int i = 0; i < 1003; ++i)
      ASSERT_EQ(xs[i], x[i] + z[i]);
    EXPECT_TRUE(xs.intact());
  }
}

TEST(MapTest, ElementTypes) {
  // f16, bf16, f64 and i64 operands in their stored types; f32 and i64 results.
  const int64_t n = 61;
  std::string text = "kernel.def @map(%h: tensor<61xf16>, %b: tensor<61xbf16>, %d: tensor<61xf64>, %i: tensor<61xi64>) -> tensor<61xf32> {\n %y = kernel.map (%h, %b, %d, %i : tensor<61xf16>, "
                     "tensor<61xbf16>, tensor<61xf64>, tensor<61xi64>) [affine_map<(a) -> (a)>, affine_map<(a) -> (a)>, affine_map<(a) -> (a)>, affine_map<(a) -> (a)>] -> tensor<61xf32> {\n ^bb0(%p: "
                     "f16, %q: bf16, %r: f64, %s: i64):\n  %1 = arith.extf %p : f16 to f32\n  %2 = arith.extf %q : bf16 to f32\n  %3 = arith.truncf %r : f64 to f32\n  %4 = arith.sitofp %s : i64 to "
                     "f32\n  %5 = arith.addf %1, %2 : f32\n  %6 = arith.addf %3, %4 : f32\n  %7 = arith.addf %5, %6 : f32\n  kernel.yield %7 : f32\n }\n kernel.return %y : tensor<61xf32>\n}\n";
  std::string integers = "kernel.def @map(%i: tensor<61xi64>) -> tensor<61xi64> {\n %y = kernel.map (%i : tensor<61xi64>) [affine_map<(a) -> (60 - a)>] -> tensor<61xi64> {\n ^bb0(%s: i64):\n  %c = "
                         "arith.constant 3 : i64\n  %m = arith.muli %s, %c : i64\n  kernel.yield %m : i64\n }\n kernel.return %y : tensor<61xi64>\n}\n";
  for (const char *cpu : allLevels) {
    if (!canRun(cpu))
      continue;
    CompiledKernel kernel(text, cpu), integer(integers, cpu);
    ASSERT_EQ(kernel.error(), "");
    ASSERT_EQ(integer.error(), "");
    Buffer<uint16_t> h(n, 1), b(n, 1);
    Buffer<double> d(n, 1);
    Buffer<int64_t> i(n, 1), j(n, 1);
    Buffer<float> out(n, 1);
    std::vector<float> values = normals(n, 5);
    for (int64_t k = 0; k < n; ++k) {
      h[k] = toHalf(values[k]);
      b[k] = toBfloat(values[k] * 3);
      d[k] = values[k] * 1.1;
      i[k] = k * k - 70;
    }
    kernel.run({h, b, d, i, out});
    integer.run({i, j});
    EXPECT_TRUE(out.intact() && j.intact());
    for (int64_t k = 0; k < n; ++k) {
      ASSERT_EQ(out[k], (fromHalf(h[k]) + fromBfloat(b[k])) + (float(d[k]) + float(i[k])));
      ASSERT_EQ(j[k], i[60 - k] * 3);
    }
  }
}

TEST(MapTest, NarrowResults) {
  for (const char *element : {"f16", "bf16"}) {
    std::string text = fmt::format("kernel.def @map(%x: tensor<61xf32>) -> tensor<61x{0}> {{\n %y = kernel.map (%x : tensor<61xf32>) [affine_map<(a) -> (a)>] -> tensor<61x{0}> {{\n ^bb0(%a: f32):\n  %n = "
                                   "arith.truncf %a : f32 to {0}\n  kernel.yield %n : {0}\n }}\n kernel.return %y : tensor<61x{0}>\n}}\n",
                                   element);
    for (const char *cpu : allLevels) {
      if (!canRun(cpu))
        continue;
      CompiledKernel kernel(text, cpu);
      ASSERT_EQ(kernel.error(), "") << text;
      Buffer<float> x(normals(61, 7), 1);
      Buffer<uint16_t> out(61, 1);
      kernel.run({x, out});
      EXPECT_TRUE(out.intact());
      for (int i = 0; i < 61; ++i)
        ASSERT_EQ(out[i], std::string(element) == "f16" ? toHalf(x[i]) : toBfloat(x[i])) << cpu << " " << element;
    }
  }
}

TEST(ConcatTest, AlongEveryAxis) {
  for (int axis = 0; axis < 3; ++axis) {
    Index shapes[] = {{3, 4, 17}, {3, 4, 17}, {3, 4, 17}};
    for (int part = 0; part < 3; ++part)
      shapes[part][axis] += 3 * part;
    Index result = shapes[0];
    result[axis] = 3 * shapes[0][axis] + 9;
    auto type = [](const Index &shape) { return fmt::format("tensor<{}f32>", shapeText(shape)); };
    std::string text = fmt::format("kernel.def @concat(%a: {0}, %b: {1}, %c: {2}) -> {3} {{\n %y = kernel.concat (%a, %b, %c : {0}, {1}, {2}) {{axis = {4} : i64}} -> {3}\n kernel.return %y : {3}\n}}\n",
                                   type(shapes[0]), type(shapes[1]), type(shapes[2]), type(result), axis);
    for (const char *cpu : allLevels) {
      if (!canRun(cpu))
        continue;
      CompiledKernel kernel(text, cpu);
      ASSERT_EQ(kernel.error(), "");
      std::vector<Buffer<float>> parts;
      for (int part = 0; part < 3; ++part)
        parts.emplace_back(normals(sizeOf(shapes[part]), part));
      Buffer<float> out(sizeOf(result), 1);
      kernel.run({parts[0], parts[1], parts[2], out});
      EXPECT_TRUE(out.intact());
      forAll(result, [&](const Index &index, int64_t flat) {
        int part = 0;
        Index at = index;
        while (at[axis] >= shapes[part][axis])
          at[axis] -= shapes[part++][axis];
        ASSERT_EQ(out[flat], parts[part][(at[0] * shapes[part][1] + at[1]) * shapes[part][2] + at[2]]);
      });
    }
  }
}

TEST(GatherTest, RowsOfTables) {
  for (const char *cpu : allLevels) {
    if (!canRun(cpu))
      continue;
    for (int width : {1, 7, 64, 768}) {
      CompiledKernel half(fmt::format("kernel.def @g(%t: tensor<100x{0}xf16>, %i: tensor<2x7xi64>) -> tensor<2x7x{0}xf32> {{\n %y = kernel.gather %t, %i {{batch_dims = 0 : i64}} : (tensor<100x{0}xf16>, "
                                      "tensor<2x7xi64>) -> tensor<2x7x{0}xf32>\n kernel.return %y : tensor<2x7x{0}xf32>\n}}\n",
                                      width),
                          cpu);
      CompiledKernel batched(fmt::format("kernel.def @g(%t: tensor<3x9x{0}xf32>, %i: tensor<3xi64>) -> tensor<3x{0}xf32> {{\n %y = kernel.gather %t, %i {{batch_dims = 1 : i64}} : (tensor<3x9x{0}xf32>, "
                                         "tensor<3xi64>) -> tensor<3x{0}xf32>\n kernel.return %y : tensor<3x{0}xf32>\n}}\n",
                                         width),
                             cpu);
      ASSERT_EQ(half.error() + batched.error(), "");
      std::vector<float> values = normals(100 * width, 3);
      Buffer<uint16_t> table(values.size(), 1);
      for (size_t i = 0; i < values.size(); ++i)
        table[i] = toHalf(values[i]);
      Buffer<float> wide(normals(27 * width, 4), 1), out(14 * width, 1), picked(3 * width, 1);
      Buffer<int64_t> index(std::vector<int64_t>{5, 0, 99, 17, 5, 3, 1, 98, 42, 7, 7, 0, 63, 12}), rows(std::vector<int64_t>{8, 0, 4});
      half.run({table, index, out});
      batched.run({wide, rows, picked});
      EXPECT_TRUE(out.intact() && picked.intact());
      for (int r = 0; r < 14; ++r)
        for (int c = 0; c < width; ++c)
          ASSERT_EQ(out[r * width + c], fromHalf(table[index[r] * width + c]));
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < width; ++c)
          ASSERT_EQ(picked[r * width + c], wide[(r * 9 + rows[r]) * width + c]);
    }
  }
}

} // namespace
} // namespace hb::test
