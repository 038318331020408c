// Times attention and normalisation kernels on one thread against this core's FMA peak and memcpy. Not a test: run it by hand,
//   hb_emit_family_bench [attention|attention_vjp|normalize|map [x86-64-v3|x86-64-v4]]
#include "tests/lowering/emit/CompiledKernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <functional>
#include <immintrin.h>

using namespace hb::test;

namespace {

/// CPU time of this thread: the machine may be shared.
double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

/// Best of several runs, each long enough to time.
double best(const std::function<void()> &work, int runs = 9) {
  double result = 1e9;
  for (int run = 0; run < runs; ++run) {
    int repeats = 0;
    double start = now(), elapsed;
    do {
      work();
      ++repeats;
    } while ((elapsed = now() - start) < 0.02);
    result = std::min(result, elapsed / repeats);
  }
  return result;
}

// Register-only FMAs: the peak everything is compared with.
__attribute__((target("avx2,fma"))) double peak8() {
  __m256 s[12];
  for (auto &x : s)
    x = _mm256_setzero_ps();
  __m256 f = _mm256_set1_ps(0.999f);
  double seconds = best([&]() __attribute__((target("avx2,fma"))) {
    __m256 a[12];
    std::memcpy(a, s, sizeof a);
    for (int step = 0; step < 100000; ++step)
      for (auto &x : a)
        x = _mm256_fmadd_ps(x, f, f);
    std::memcpy(s, a, sizeof a);
  });
  asm volatile("" ::"m"(s));
  return 100000.0 * 12 * 8 * 2 / seconds * 1e-9;
}
__attribute__((target("avx512f"))) double peak16() {
  __m512 s[20];
  for (auto &x : s)
    x = _mm512_setzero_ps();
  __m512 f = _mm512_set1_ps(0.999f);
  double seconds = best([&]() __attribute__((target("avx512f"))) {
    __m512 a[20];
    std::memcpy(a, s, sizeof a);
    for (int step = 0; step < 100000; ++step)
      for (auto &x : a)
        x = _mm512_fmadd_ps(x, f, f);
    std::memcpy(s, a, sizeof a);
  });
  asm volatile("" ::"m"(s));
  return 100000.0 * 20 * 16 * 2 / seconds * 1e-9;
}

/// Keys and values (and, with `self`, queries) are columns of one tensor, as merged projections leave them: every row has all of theirs.
struct AttentionCase {
  int batch, queries, keys, heads, width;
  bool self;
};

void attention(const char *cpu, double peak, const AttentionCase &c) {
  const int wide = c.heads * c.width, parts = c.self ? 3 : 2, row = parts * wide;
  std::string o = fmt::format("tensor<{}x{}x{}xf32>", c.batch, c.queries, wide);
  auto part = [&](int rows, int index) { return fmt::format("tensor<{}x{}x{}xf32, #kernel.strided<{}, [{}, {}, 1]>>", c.batch, rows, wide, index * wide, rows * row, row); };
  std::string q = c.self ? part(c.queries, 0) : o, k = part(c.keys, parts - 2), v = part(c.keys, parts - 1);
  CompiledKernel kernel(fmt::format("kernel.def @attention(%q: {0}, %k: {1}, %v: {2}) -> {3} {{\n  %y = kernel.attention q(%q : {0}) k(%k : {1}) v(%v : {2}) {{heads = {4} : i64, scale = 0.125 : f64}} "
                                    "-> {3}\n  kernel.return %y : {3}\n}}\n",
                                    q, k, v, o, c.heads),
                        cpu);
  if (!kernel.error().empty()) {
    fmt::print("{}\n", kernel.error());
    return;
  }
  Buffer<float> merged(normals(size_t(c.batch) * c.keys * row, 1)), qs(normals(size_t(c.batch) * c.queries * wide, 2)), out(size_t(c.batch) * c.queries * wide);
  std::vector<void *> buffers = {c.self ? merged : qs, merged, merged, out};
  double seconds = best([&] { kernel.runInOrder(buffers); }), flops = 4.0 * c.batch * c.queries * c.keys * wide;
  fmt::print("{} attention B{} N{} M{} H{} d{}: {:.2f} ms, {:.1f} GF/s, {:.3f} of peak, compiled in {:.0f} ms\n", cpu, c.batch, c.queries, c.keys, c.heads, c.width, seconds * 1e3,
             flops / seconds * 1e-9, flops / seconds * 1e-9 / peak, kernel.compileSeconds() * 1e3);
}

/// The gradient, five products counted; statistics are those of a softmax that is flat enough for ordinary numbers everywhere.
void attentionVjp(const char *cpu, double peak, const AttentionCase &c) {
  const int wide = c.heads * c.width, parts = c.self ? 3 : 2, row = parts * wide;
  std::string o = fmt::format("tensor<{}x{}x{}xf32>", c.batch, c.queries, wide), dk = fmt::format("tensor<{}x{}x{}xf32>", c.batch, c.keys, wide);
  auto part = [&](int rows, int index) { return fmt::format("tensor<{}x{}x{}xf32, #kernel.strided<{}, [{}, {}, 1]>>", c.batch, rows, wide, index * wide, rows * row, row); };
  std::string q = c.self ? part(c.queries, 0) : o, k = part(c.keys, parts - 2), v = part(c.keys, parts - 1);
  std::string stats = fmt::format("tensor<{}x{}x2x{}xf32>", c.batch, c.heads, c.queries), delta = fmt::format("tensor<{}x{}x{}xf32>", c.batch, c.queries, c.heads);
  CompiledKernel kernel(fmt::format("kernel.def @vjp(%q: {0}, %k: {1}, %v: {2}, %g: {3}, %s: {4}, %d: {5}) -> ({3}, {6}, {6}) {{\n  %dq, %dk, %dv = kernel.attention_vjp q(%q : {0}) k(%k : {1}) v(%v : "
                                    "{2}) dy(%g : {3}) stats(%s : {4}) delta(%d : {5}) {{heads = {7} : i64, scale = 0.125 : f64}} -> {3}, {6}, {6}\n  kernel.return %dq, %dk, %dv : {3}, {6}, {6}\n}}\n",
                                    q, k, v, o, stats, delta, dk, c.heads),
                        cpu);
  if (!kernel.error().empty()) {
    fmt::print("{}\n", kernel.error());
    return;
  }
  const size_t rows = size_t(c.batch) * c.queries, size = rows * wide;
  Buffer<float> merged(normals(size_t(c.batch) * c.keys * row, 1)), qs(normals(size, 2)), dy(normals(size, 3)), statistics(rows * 2 * c.heads), means(normals(rows * c.heads, 4)), dq(size),
      dks(size_t(c.batch) * c.keys * wide), dvs(size_t(c.batch) * c.keys * wide);
  for (size_t i = 0; i < rows * 2 * c.heads; ++i)
    statistics[i] = i / c.queries % 2 ? float(c.keys) : 4;
  std::vector<void *> buffers = {c.self ? merged : qs, merged, merged, dy, statistics, means, dq, dks, dvs};
  double seconds = best([&] { kernel.runInOrder(buffers); }), flops = 10.0 * c.batch * c.queries * c.keys * wide;
  fmt::print("{} attention_vjp B{} N{} M{} H{} d{}: {:.2f} ms, {:.1f} GF/s, {:.3f} of peak, {} tasks, compiled in {:.0f} ms\n", cpu, c.batch, c.queries, c.keys, c.heads, c.width, seconds * 1e3,
             flops / seconds * 1e-9, flops / seconds * 1e-9 / peak, kernel.grid(), kernel.compileSeconds() * 1e3);
}

/// A kernel text with one input x, one result, optional weights of `channels`; reports bytes per second of read + written.
void streaming(const char *cpu, const char *label, const std::string &text, std::vector<size_t> sizes, size_t bytes) {
  CompiledKernel kernel(text, cpu);
  if (!kernel.error().empty()) {
    fmt::print("{}: {}\n", label, kernel.error());
    return;
  }
  std::vector<Buffer<float>> storage;
  std::vector<void *> buffers;
  for (size_t i = 0; i < sizes.size(); ++i)
    storage.emplace_back(normals(sizes[i], i + 1));
  for (auto &buffer : storage)
    buffers.push_back(buffer);
  double seconds = best([&] { kernel.runInOrder(buffers); });
  std::vector<char> from(bytes / 2), to(bytes / 2);
  double copy = best([&] { std::memcpy(to.data(), from.data(), from.size()); });
  fmt::print("{} {}: {:.3f} ms, {:.1f} GB/s, {:.2f} of memcpy, compiled in {:.0f} ms\n", cpu, label, seconds * 1e3, bytes / seconds * 1e-9, copy / seconds, kernel.compileSeconds() * 1e3);
}

} // namespace

int main(int count, char **arguments) {
  std::string only = count > 1 ? arguments[1] : "", level = count > 2 ? arguments[2] : "";
  for (const char *cpu : cpuLevels) {
    if (!canRun(cpu) || (!level.empty() && level != cpu))
      continue;
    double top = std::string(cpu) == "x86-64-v4" ? peak16() : peak8();
    fmt::print("{} FMA peak {:.1f} GF/s\n", cpu, top);
    if (only.empty() || only == "attention") {
      // SDXL's four, latent 64×64; the next size up; CLIP's text and vision towers; the VAE's; one task alone.
      for (const AttentionCase &c : {AttentionCase{2, 1024, 1024, 10, 64, true}, {2, 256, 256, 20, 64, true}, {2, 1024, 77, 10, 64, false}, {2, 256, 77, 20, 64, false}, {1, 4096, 4096, 10, 64, true},
                                     {1, 77, 77, 12, 64, true}, {1, 257, 257, 16, 88, true}, {1, 1024, 1024, 1, 512, true}, {1, 64, 77, 1, 64, false}})
        attention(cpu, top, c);
    }
    if (only.empty() || only == "attention_vjp")
      for (const AttentionCase &c : {AttentionCase{1, 1024, 1024, 10, 64, true}, {1, 1024, 1024, 20, 64, true}, {1, 4096, 4096, 10, 64, true}, {2, 256, 256, 20, 64, true}, {2, 1024, 77, 10, 64, false},
                                     {1, 77, 77, 12, 64, true}, {1, 257, 257, 16, 88, true}, {1, 1024, 1024, 1, 512, true}})
        attentionVjp(cpu, top, c);
    if (only.empty() || only == "normalize") {
      auto tensor = [](int a, int c) { return fmt::format("tensor<{}x{}xf32>", a, c); };
      auto layer = [&](int rows, int channels) {
        std::string x = tensor(rows, channels), w = fmt::format("tensor<{}xf32>", channels);
        streaming(cpu, fmt::format("layer norm {}x{}", rows, channels).c_str(),
                  fmt::format("kernel.def @f(%x: {0}, %g: {1}, %b: {1}) -> {0} {{\n%y = kernel.normalize layer %x weight(%g, %b : {1}, {1}) {{eps = 1.0e-5 : f64}} : {0} -> {0} {{\n^bb0(%v: "
                              "f32):\nkernel.yield %v : f32\n}}\nkernel.return %y : {0}\n}}\n",
                              x, w),
                  {size_t(rows) * channels, size_t(channels), size_t(channels), size_t(rows) * channels}, size_t(rows) * channels * 8);
      };
      layer(4096, 640);
      layer(1024, 1280);
      layer(77, 768);
      auto group = [&](int side, int channels) {
        std::string x = fmt::format("tensor<1x{0}x{0}x{1}xf32>", side, channels), w = fmt::format("tensor<{}xf32>", channels), s = "tensor<1x8x32x2xf32>";
        size_t size = size_t(side) * side * channels;
        streaming(cpu, fmt::format("group stats {0}x{0}x{1}", side, channels).c_str(),
                  fmt::format("kernel.def @f(%x: {0}) -> {1} {{\n%y = kernel.group_stats %x {{groups = 32 : i64, chunks = 8 : i64}} : {0} -> {1}\nkernel.return %y : {1}\n}}\n", x, s),
                  {size, 8 * 32 * 2}, size * 4);
        streaming(cpu, fmt::format("group norm + silu {0}x{0}x{1}", side, channels).c_str(),
                  fmt::format("kernel.def @f(%x: {0}, %s: {1}, %g: {2}, %b: {2}) -> {0} {{\n%y = kernel.normalize group %x stats(%s : {1}) weight(%g, %b : {2}, {2}) {{eps = 1.0e-5 : f64, groups = 32 : "
                              "i64}} : {0} -> {0} {{\n^bb0(%v: f32):\n%n = arith.negf %v : f32\n%e = math.exp %n : f32\n%o = arith.constant 1.0 : f32\n%d = arith.addf %e, %o : f32\n%r = arith.divf "
                              "%v, %d : f32\nkernel.yield %r : f32\n}}\nkernel.return %y : {0}\n}}\n",
                              x, s, w),
                  {size, 8 * 32 * 2, size_t(channels), size_t(channels), size}, size * 8);
      };
      group(32, 640);
      group(64, 320);
      group(128, 320);
    }
    if (only.empty() || only == "map") {
      auto map = [&](const char *label, std::vector<int> from, std::vector<int> to, const std::string &affine, bool pad) {
        auto tensor = [](const std::vector<int> &shape) { return fmt::format("tensor<{}x{}x{}x{}xf32>", shape[0], shape[1], shape[2], shape[3]); };
        auto size = [](const std::vector<int> &shape) { return size_t(shape[0]) * shape[1] * shape[2] * shape[3]; };
        streaming(cpu, label,
                  fmt::format("kernel.def @f(%x: {0}) -> {1} {{\n%y = kernel.map (%x : {0}) [affine_map<{2}>] {{zero_outside = array<i1: {3}>}} -> {1} {{\n^bb0(%v: f32):\nkernel.yield %v : f32\n}}\n"
                              "kernel.return %y : {1}\n}}\n",
                              tensor(from), tensor(to), affine, pad),
                  {size(from), size(to)}, (size(from) + size(to)) * 4);
      };
      map("NCHW to NHWC", {2, 320, 64, 64}, {2, 64, 64, 320}, "(b, h, w, c) -> (b, c, h, w)", false);
      map("NHWC to NCHW", {2, 64, 64, 320}, {2, 320, 64, 64}, "(b, c, h, w) -> (b, h, w, c)", false);
      map("NHWC to NCHW, 4 channels", {2, 128, 128, 4}, {2, 4, 128, 128}, "(b, c, h, w) -> (b, h, w, c)", false);
      map("NCHW to NHWC, 3 channels", {1, 3, 512, 512}, {1, 512, 512, 3}, "(b, h, w, c) -> (b, c, h, w)", false);
      map("pad", {2, 64, 64, 320}, {2, 66, 66, 320}, "(b, h, w, c) -> (b, h - 1, w - 1, c)", true);
      map("upsample", {2, 32, 32, 640}, {2, 64, 64, 640}, "(b, h, w, c) -> (b, h floordiv 2, w floordiv 2, c)", false);
      map("copy", {2, 64, 64, 320}, {2, 64, 64, 320}, "(b, h, w, c) -> (b, h, w, c)", false);
      std::string a = "tensor<2x64x64x320xf32>", b = "tensor<2x64x64x640xf32>", c = "tensor<2x64x64x960xf32>";
      size_t unit = 2 * 64 * 64 * 320;
      streaming(cpu, "concat of channels",
                fmt::format("kernel.def @f(%a: {0}, %b: {1}) -> {2} {{\n%y = kernel.concat (%a, %b : {0}, {1}) {{axis = 3 : i64}} -> {2}\nkernel.return %y : {2}\n}}\n", a, b, c),
                {unit, 2 * unit, 3 * unit}, 6 * unit * 4);
    }
  }
}
