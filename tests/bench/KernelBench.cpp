// Times single kernels on one thread against a register-only FMA probe of the same machine.
//
//   kernel_bench [--target x86-64,cpu=…] [--reps N] [--save FILE] [case …]
//   case: linear:MxKxN[:f16|bf16][:gelu|residual|gated|lora|adjoint][:cold]   conv:HxWxCxO[:f16|adjoint][:cold]   planes:PxTxKxN
//         winoin:HxWxC[:f4]   winoout:HxWxC[:f4]   (transforms of F(2×2) or F(4×2); their flop count is that of the direct
//         convolution C → C, so that the sum of the three times compares with conv)
//         cold: the weight comes from memory, as in a network that is larger than the caches, not from the run before
//
// Prints, per case, the best time of N, its GFLOP/s, the median and the largest share of the probe (measured before and after every run)
// and the kernel's compile time. CPU time of the thread, so that a busy machine disturbs less.
#include "tests/lowering/emit/EmitHarness.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sstream>

using namespace hb;
using namespace hb::test;

static double cpuNow() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

// Twelve independent chains hide the latency of the two FMA units.
#define HB_CHAIN12(REG)                                                                                                                                        \
  "vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "0\n vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "1\n vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "2\n"         \
  "vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "3\n vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "4\n vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "5\n"         \
  "vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "6\n vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "7\n vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "8\n"         \
  "vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "9\n vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "10\n vfmadd231ps %%" REG "14,%%" REG "15,%%" REG "11\n"
#define HB_CLOBBER "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "cc"
__attribute__((noinline)) static void probe256(long n) { asm volatile("1:\n" HB_CHAIN12("ymm") "dec %0\n jnz 1b\n" : "+r"(n)::HB_CLOBBER); }
__attribute__((noinline)) static void probe512(long n) { asm volatile("1:\n" HB_CHAIN12("zmm") "dec %0\n jnz 1b\n" : "+r"(n)::HB_CLOBBER); }

static double probe(bool wide) {
  const long n = 400000;
  double start = cpuNow();
  wide ? probe512(n) : probe256(n);
  return n * 12.0 * (wide ? 16 : 8) * 2 / (cpuNow() - start) * 1e-9;
}

struct Case {
  std::string text;
  std::vector<size_t> bytes; ///< of each buffer
  double flops = 0;
  size_t weightCopies = 1;
};

static Case makeCase(const std::string &spec) {
  std::vector<std::string> parts;
  std::stringstream stream(spec);
  for (std::string part; std::getline(stream, part, ':');)
    parts.push_back(part);
  auto has = [&](const char *word) { return std::find(parts.begin() + 2, parts.end(), word) != parts.end(); };
  long d[4] = {1, 1, 1, 1};
  std::sscanf(parts[1].c_str(), "%ldx%ldx%ldx%ld", d, d + 1, d + 2, d + 3);
  std::string type = has("f16") ? "f16" : has("bf16") ? "bf16" : "f32";
  size_t size = type == "f32" ? 4 : 2;
  auto s = [](long v) { return std::to_string(v); };
  auto up = [](long v) { return (v + 15) / 16 * 16; };
  Case c;
  if (parts[0] == "linear") {
    long m = d[0], k = d[1], n = d[2];
    std::string at = "tensor<" + s(m) + "x" + s(k) + "xf32>", yt = "tensor<" + s(m) + "x" + s(n) + "xf32>", bt = "tensor<" + s(n) + "xf32>";
    long rows = has("gated") ? 2 * n : n;
    std::string layout = has("gated") ? "gated_panel16" : "panel16";
    const bool adjoint = has("adjoint");
    std::string wt = "tensor<" + (adjoint ? s(k) + "x" + s(rows) : s(rows) + "x" + s(k)) + "x" + type + ", #kernel.packed<" + layout + ">>";
    std::string args = "%x: " + at + ", %w: " + wt + ", %b: " + bt, lora, extras = "%b", types = bt, maps = "affine_map<(i, j) -> (j)>", gatedAttr, body;
    c.bytes = {size_t(m * k * 4), size_t(adjoint ? up(k) * rows * size : up(rows) * k * size), size_t(n * 4)};
    if (adjoint)
      gatedAttr = ", adjoint";
    if (has("lora")) {
      std::string a = "tensor<8x" + s(k) + "xf32, #kernel.packed<panel16>>", b = "tensor<" + s(rows) + "x8xf32, #kernel.packed<" + layout + ">>";
      args += ", %la: " + a + ", %lb: " + b + ", %ls: tensor<8xf32>";
      lora = " lora(%la : " + a + ", %lb : " + b + ", %ls : tensor<8xf32>)";
      c.bytes.insert(c.bytes.end(), {size_t(16 * k * 4), size_t(up(rows) * 8 * 4), 64});
    }
    body = "^bb0(%acc: f32, %bias: f32):\n %s = arith.addf %acc, %bias : f32\n kernel.yield %s : f32\n";
    std::string gelu = " %k = arith.constant 0.70710678 : f32\n %h = arith.constant 0.5 : f32\n %u = arith.mulf %s, %k : f32\n %e = math.erf %u : f32\n %v = "
                       "arith.mulf %s, %h : f32\n"
                       " %o = math.fma %v, %e, %v : f32\n";
    if (has("gelu"))
      body = "^bb0(%acc: f32, %bias: f32):\n %s = arith.addf %acc, %bias : f32\n" + gelu + " kernel.yield %o : f32\n";
    if (has("gated")) {
      body = "^bb0(%acc: f32, %gate: f32, %bias: f32):\n %s = arith.addf %gate, %bias : f32\n" + gelu +
             " %y = arith.mulf %acc, %o : f32\n kernel.yield %y : f32\n";
      gatedAttr = ", gated";
    }
    if (has("residual")) {
      args += ", %r: " + yt;
      extras += ", %r";
      types += ", " + yt;
      maps += ", affine_map<(i, j) -> (i, j)>";
      c.bytes.push_back(m * n * 4);
      body = "^bb0(%acc: f32, %bias: f32, %res: f32):\n %s = arith.addf %acc, %bias : f32\n %t = arith.addf %s, %res : f32\n kernel.yield %t : f32\n";
    }
    c.text = "kernel.def @k(" + args + ") -> " + yt + " {\n %y = kernel.contract linear a(%x : " + at + ") weight(%w : " + wt + ")" + lora + " extras(" +
             extras + " : " + types + ") {maps = [" + maps + "]" + gatedAttr + "} -> " + yt + " {\n" + body + " }\n kernel.return %y : " + yt + "\n}";
    c.bytes.push_back(m * n * 4);
    c.flops = 2.0 * m * k * rows;
  } else if (parts[0] == "conv") {
    long h = d[0], w = d[1], ci = d[2], co = d[3];
    std::string at = "tensor<1x" + s(h + 2) + "x" + s(w + 2) + "x" + s(ci) + "xf32>", yt = "tensor<1x" + s(h) + "x" + s(w) + "x" + s(co) + "xf32>",
                bt = "tensor<" + s(co) + "xf32>";
    const bool adjoint = has("adjoint");
    std::string wt = "tensor<" + (adjoint ? s(ci) + "x" + s(co) : s(co) + "x" + s(ci)) + "x3x3x" + type + ", #kernel.packed<panel16>>";
    c.text = "kernel.def @k(%x: " + at + ", %w: " + wt + ", %b: " + bt + ") -> " + yt + " {\n %y = kernel.contract conv2d a(%x : " + at +
             ") weight(%w : " + wt + ") extras(%b : " + bt + ") {maps = [affine_map<(b, i, j, c) -> (c)>]" + (adjoint ? ", adjoint" : "") +
             "} -> " + yt + " {\n^bb0(%acc: f32, %bias: f32):\n %s = arith.addf %acc, %bias : f32\n kernel.yield %s : f32\n }\n kernel.return %y : " + yt + "\n}";
    c.bytes = {size_t((h + 2) * (w + 2) * ci * 4), size_t((adjoint ? up(ci) * co : up(co) * ci) * 9 * size), size_t(co * 4), size_t(h * w * co * 4)};
    c.flops = 2.0 * h * w * co * ci * 9;
  } else if (parts[0] == "planes") {
    long p = d[0], t = d[1], k = d[2], n = d[3];
    // Planes 64 bytes apart more than they need: their distance is otherwise often a multiple of 4 KiB.
    std::string at = "tensor<" + s(p) + "x" + s(t) + "x" + s(k) + "xf32, #kernel.strided<0, [" + s(t * k + 16) + ", " + s(k) + ", 1]>>";
    std::string yt = "tensor<" + s(p) + "x" + s(t) + "x" + s(n) + "xf32, #kernel.strided<0, [" + s(t * n + 16) + ", " + s(n) + ", 1]>>";
    std::string wt = "tensor<" + s(n) + "x" + s(k) + "x3x3xf32, #kernel.packed<" + (p == 16 ? "winograd_f2" : "winograd_f4x2") + ">>";
    c.text = "kernel.def @k(%x: " + at + ", %w: " + wt + ") -> " + yt + " {\n %y = kernel.contract planes a(%x : " + at + ") weight(%w : " + wt +
             ") {maps = []} -> " + yt + " {\n^bb0(%acc: f32):\n kernel.yield %acc : f32\n }\n kernel.return %y : " + yt + "\n}";
    c.bytes = {size_t(p * (t * k + 16) * 4), size_t(p * up(n) * k * 4), size_t(p * (t * n + 16) * 4)};
    c.flops = 2.0 * p * t * n * k;
  } else if (parts[0] == "winoin" || parts[0] == "winoout") {
    long h = d[0], w = d[1], ch = d[2], mr = has("f4") ? 4 : 2, p = (mr + 2) * 4, t = h / mr * (w / 2);
    std::string xt = "tensor<1x" + s(h + 2) + "x" + s(w + 2) + "x" + s(ch) + "xf32>", yt = "tensor<1x" + s(h) + "x" + s(w) + "x" + s(ch) + "xf32>",
                bt = "tensor<" + s(ch) + "xf32>";
    std::string pt = "tensor<" + s(p) + "x" + s(t) + "x" + s(ch) + "xf32, #kernel.strided<0, [" + s(t * ch + 16) + ", " + s(ch) + ", 1]>>",
                m = "m = array<i64: " + s(mr) + ", 2>";
    size_t planeBytes = p * (t * ch + 16) * 4, pictureBytes = (h + 2) * (w + 2) * ch * 4;
    if (parts[0] == "winoin") {
      c.text = "kernel.def @k(%x: " + xt + ") -> " + pt + " {\n %v = kernel.winograd_input %x {" + m + "} : " + xt + " -> " + pt +
               "\n kernel.return %v : " + pt + "\n}";
      c.bytes = {pictureBytes, planeBytes};
    } else {
      c.text = "kernel.def @k(%p: " + pt + ", %b: " + bt + ") -> " + yt + " {\n %y = kernel.winograd_output %p extras(%b : " + bt + ") {" + m +
               ", maps = [affine_map<(b, i, j, c) -> (c)>]} : " + pt + " -> " + yt +
               " {\n^bb0(%acc: f32, %bias: f32):\n %s = arith.addf %acc, %bias : f32\n kernel.yield %s : f32\n }\n kernel.return %y : " + yt + "\n}";
      c.bytes = {planeBytes, size_t(ch * 4), pictureBytes};
    }
    c.flops = 2.0 * h * w * ch * ch * 9;
  }
  if (has("cold")) // all copies together are far larger than the caches
    c.weightCopies = std::max<size_t>(2, (size_t(1) << 30) / c.bytes[1]);
  return c;
}

int main(int argc, char **argv) {
  std::string target = "x86-64", save;
  int reps = 15;
  std::vector<std::string> cases;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--target") && i + 1 < argc)
      target = argv[++i];
    else if (!std::strcmp(argv[i], "--reps") && i + 1 < argc)
      reps = std::atoi(argv[++i]);
    else if (!std::strcmp(argv[i], "--save") && i + 1 < argc)
      save = argv[++i];
    else
      cases.push_back(argv[i]);
  }
  if (cases.empty())
    cases = {"linear:4096x640x640",        "linear:1024x1280x1280:gelu", "linear:1024x1280x1280:f16", "linear:77x2048x1280", "linear:1024x5120x1280:residual",
             "linear:1024x640x2560:gated", "linear:1024x1280x1280:lora", "conv:64x64x320x320",        "conv:32x32x640x640",  "planes:16x256x640x640",
             "planes:24x128x640x640"};
  x86::X86Target variant = x86::parseTarget(target);
  std::printf("%s (tuned for %s)\n", variant.cpu.c_str(), variant.tune.c_str());
  for (const std::string &spec : cases) {
    Case c = makeCase(spec);
    Kernel kernel = compileKernel(c.text, variant);
    if (!kernel.function) {
      std::printf("%-34s failed: %s\n%s\n", spec.c_str(), kernel.error.c_str(), c.text.c_str());
      continue;
    }
    if (!save.empty()) { // for a look at the machine code
      std::FILE *file = std::fopen(save.c_str(), "wb");
      if (file) {
        std::fwrite(kernel.object.data(), 1, kernel.object.size(), file);
        std::fclose(file);
      }
    }
    std::vector<Buffer<char>> buffers;
    std::vector<void *> pointers;
    for (size_t i = 0; i < c.bytes.size() + c.weightCopies - 1; ++i) {
      const size_t bytes = c.bytes[i < c.bytes.size() ? i : 1];
      buffers.emplace_back(bytes + 64);
      // Small normal numbers: denormals would change the timing. Halves read the same bytes as some finite pattern.
      auto *words = reinterpret_cast<uint32_t *>(&buffers.back()[0]);
      for (size_t i = 0; i < bytes / 4; ++i)
        words[i] = 0x3c003c00u + (static_cast<uint32_t>(i) * 2654435761u >> 22 << 13);
      if (i < c.bytes.size())
        pointers.push_back(&buffers.back()[0]);
    }
    size_t copy = 0;
    auto run = [&] {
      pointers[1] = copy == 0 ? &buffers[1][0] : &buffers[c.bytes.size() + copy - 1][0];
      copy = (copy + 1) % c.weightCopies;
      kernel.run(pointers);
    };
    run();
    // The clock changes with what neighbours do: a run is compared with the probes right before and behind it.
    std::vector<double> times, shares;
    double first = cpuNow();
    run();
    const int turns = std::max(1, static_cast<int>(1e-3 / (cpuNow() - first))); // a run of about a millisecond: the clock's step is coarse
    auto peakNow = [&] { return std::max(probe(variant.avx512()), probe(false)); };
    double before = peakNow();
    for (int r = 0; r < reps; ++r) {
      double start = cpuNow();
      for (int t = 0; t < turns; ++t)
        run();
      times.push_back((cpuNow() - start) / turns);
      const double after = peakNow();
      shares.push_back(c.flops / times.back() * 1e-9 / std::max(before, after));
      before = after;
    }
    std::sort(times.begin(), times.end());
    std::sort(shares.begin(), shares.end());
    std::printf("%-38s %9.3f ms %7.1f GF/s  share: median %.3f, most %.3f  grid %ld  %zu B  compiled in %.0f ms\n", spec.c_str(), times.front() * 1e3,
                c.flops / times.front() * 1e-9, shares[shares.size() / 2], shares.back(), (long)kernel.grid, kernel.objectBytes, kernel.compileSeconds * 1e3);
    std::fflush(stdout);
  }
}
