// hb-rt bench: times entries of a module, kernel by kernel, against the machine's peak.
#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/Memory.h"
#include "runtime/device/cpu/PeakProbe.h"
#include "runtime/exec/MemoryPlan.h"
#include "runtime/module/KernelClass.h"
#include "runtime/pipeline/Random.h"
#include "tools/hb-rt/Commands.h"
#include "tools/hb-rt/SessionFlags.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

namespace hb::rt {
namespace {

struct BenchOptions {
  std::string module, entry, kernel, json;
  int repeat = 3, warmup = 1;
  SessionOptions session;
};

/// Normal values for floats, small ids for integers: timing does not depend on them, NaN would.
void fillInputs(const Program &program, ProgramTensors &tensors) {
  CpuGenerator generator(1);
  for (const TensorSpec &spec : program.inputs) {
    if (spec.dtype == DType::I64) {
      std::vector<int64_t> ids(spec.elementCount(), 1);
      tensors.set(spec.name, ids.data(), spec.byteSize());
    } else {
      std::vector<float> values(spec.elementCount());
      generator.normal(std::span<float>(values));
      tensors.set(spec.name, values.data(), spec.byteSize());
    }
  }
}

struct KernelRow {
  uint64_t count = 0;
  double seconds = 0, cpu = 0; ///< of one run: the best time of each launch, added up
};

/// Rates are of CPU time with one thread: machines are shared, and a thread that waits for a core does not compute. With
/// several threads the calling thread's CPU time says little, so elapsed time counts. (On other devices both are the device's own time.)
double rateSeconds(const KernelRow &row, int threads) { return threads == 1 ? row.cpu : row.seconds; }

/// What shares are of. Only the processor is probed: elsewhere it is 0, and so are the shares.
double share(double gflops, double probe) { return probe > 0 ? gflops / probe : 0; }

/// FLOPs and time of several kernels, so that their share of the probe is weighted by FLOPs.
struct Sum {
  uint64_t launches = 0;
  double flops = 0, executed = 0, seconds = 0, cpu = 0;
  void add(const KernelInfo &kernel, const KernelRow &row) {
    launches += row.count;
    flops += kernel.flops * row.count;
    executed += kernel.flopsExecuted * row.count;
    seconds += row.seconds;
    cpu += row.cpu;
  }
  nlohmann::json json(const std::string &name, double probe, int threads) const {
    double rate = threads == 1 ? cpu : seconds, gflops = rate > 0 ? flops / rate * 1e-9 : 0;
    return {{"name", name}, {"launches", launches}, {"flops", flops}, {"flops_executed", executed}, {"ms", seconds * 1e3}, {"cpu_ms", cpu * 1e3}, {"gflops", gflops}, {"share", share(gflops, probe)}};
  }
};

/// Kernels by class (runtime/module/KernelClass.h), then all of them; classes without a launch are left out.
nlohmann::json classSums(const std::map<uint32_t, KernelRow> &rows, const Module &module, double probe, int threads) {
  std::map<KernelClass, Sum> sums;
  Sum all;
  for (auto &[index, row] : rows) {
    const KernelInfo &info = module.kernels[index];
    sums[kernelClass(info)].add(info, row);
    all.add(info, row);
  }
  nlohmann::json list = nlohmann::json::array();
  for (const KernelClassName &row : kernelClasses())
    if (auto sum = sums.find(row.kind); sum != sums.end())
      list.push_back(sum->second.json(row.name, probe, threads));
  list.push_back(all.json("everything", probe, threads));
  return list;
}

nlohmann::json benchEntry(Session &session, uint64_t process, const Program &program, const BenchOptions &options) {
  const bool onCpu = session.device().sharesHostMemory();
  PeakRates before = onCpu ? probePeak(0.2) : PeakRates{};
  MemoryPlan plan = planMemory(session, process, program);
  nlohmann::ordered_json planned;
  for (const MemoryLine &line : plan.lines)
    planned[line.what] = line.bytes;
  Executor &executor = session.executor(program.name);
  ProgramTensors tensors(program);
  fillInputs(program, tensors);
  tensors.allocateOutputs();
  tensors.bind(executor);
  for (int i = 0; i < options.warmup; ++i)
    executor.run();
  // Where a program is recorded whole, its time and that of its launches are measured in runs of their own.
  executor.profile(onCpu);
  std::vector<double> times;
  for (int i = 0; i < options.repeat; ++i) {
    auto start = std::chrono::steady_clock::now();
    executor.run();
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    std::fprintf(stderr, "%s: run %d of %d, %.1f ms\n", program.name.c_str(), i + 1, options.repeat, times.back() * 1e3);
  }
  if (!onCpu) {
    executor.profile(true);
    for (int i = 0; i < options.repeat; ++i)
      executor.run();
  }
  double probe = onCpu ? std::max(before.best(), probePeak(0.2).best()) * session.threads() : 0;
  std::sort(times.begin(), times.end());
  std::map<uint32_t, KernelRow> rows;
  double flops = 0;
  for (const LaunchTime &time : executor.launchTimes()) {
    uint64_t perRun = time.count / options.repeat;
    rows[time.kernel].count += perRun;
    rows[time.kernel].seconds += time.best * perRun;
    rows[time.kernel].cpu += time.bestCpu * perRun;
    flops += session.module().kernels[time.kernel].flops * perRun;
  }
  nlohmann::json kernels = nlohmann::json::array();
  std::map<std::string, Sum> families;
  double computeSeconds = 0;
  for (auto &[index, row] : rows) {
    const KernelInfo &info = session.module().kernels[index];
    double seconds = rateSeconds(row, session.threads());
    computeSeconds += seconds;
    families[info.family].add(info, row);
    if (!options.kernel.empty() && info.symbol != options.kernel)
      continue;
    double gflops = seconds > 0 ? info.flops * row.count / seconds * 1e-9 : 0;
    kernels.push_back({{"name", info.symbol}, {"family", info.family}, {"count", row.count}, {"flops", info.flops}, {"flops_executed", info.flopsExecuted}, {"ms", row.seconds * 1e3}, {"cpu_ms", row.cpu * 1e3}, {"gflops", gflops},
                       {"gbytes_per_s", seconds > 0 ? info.bytes * row.count / seconds * 1e-9 : 0}, {"share", share(gflops, probe)}, {"source", info.source}});
  }
  nlohmann::json shares = nlohmann::json::object();
  for (auto &[family, sum] : families) {
    nlohmann::json total = sum.json(family, probe, session.threads());
    shares[family] = {{"share", total["share"]}, {"seconds", session.threads() == 1 ? sum.cpu : sum.seconds}};
  }
  std::sort(kernels.begin(), kernels.end(), [](const nlohmann::json &a, const nlohmann::json &b) { return a["ms"].get<double>() > b["ms"].get<double>(); });
  double best = times.front(), median = times[times.size() / 2];
  return {{"entry", program.name}, {"device", session.device().info().name}, {"threads", session.threads()}, {"cpu", session.variant().cpu}, {"probe_gflops", probe}, {"ms_min", best * 1e3}, {"ms_median", median * 1e3},
          {"gflops", flops / computeSeconds * 1e-9}, {"share_of_probe", share(flops / computeSeconds * 1e-9, probe)}, {"classes", classSums(rows, session.module(), probe, session.threads())}, {"families", shares}, {"peak_rss_bytes", peakResidentBytes()},
          {"planned_peak_bytes", onCpu ? plan.total() : executor.ownBytes() + session.deviceWeights().bytes()}, {"planned", planned}, {"kernels", kernels}};
}

void printTable(const nlohmann::json &result) {
  const double probe = result["probe_gflops"].get<double>();
  std::printf("%s on %s: min %.1f ms, median %.1f ms, %.1f GFLOP/s", result["entry"].get<std::string>().c_str(), result["device"].get<std::string>().c_str(), result["ms_min"].get<double>(),
              result["ms_median"].get<double>(), result["gflops"].get<double>());
  if (probe > 0)
    std::printf(" = %.0f %% of the probe (%.1f GFLOP/s, %d threads)", result["share_of_probe"].get<double>() * 100, probe, result["threads"].get<int>());
  std::printf(", peak memory %.0f MiB (planned %.0f MiB)\n", result["peak_rss_bytes"].get<double>() / 1048576, result["planned_peak_bytes"].get<double>() / 1048576);
  std::printf("  %-36s %8s %10s %10s %10s %9s %6s\n", "class", "launches", "GFLOP", "executed", "CPU ms", "GFLOP/s", "share");
  for (const nlohmann::json &c : result["classes"])
    std::printf("  %-36s %8d %10.1f %10.1f %10.1f %9.1f %5.0f%%\n", c["name"].get<std::string>().c_str(), c["launches"].get<int>(), c["flops"].get<double>() * 1e-9,
                c["flops_executed"].get<double>() * 1e-9, c["cpu_ms"].get<double>(),
                c["gflops"].get<double>(), c["share"].get<double>() * 100);
  std::printf("  %-18s %6s %10s %9s %8s %6s  %s\n", "kernel", "count", "ms", "GFLOP/s", "GB/s", "share", "source");
  for (const nlohmann::json &k : result["kernels"])
    std::printf("  %-18s %6d %10.3f %9.1f %8.1f %5.0f%%  %s\n", k["name"].get<std::string>().c_str(), k["count"].get<int>(), k["ms"].get<double>(), k["gflops"].get<double>(),
                k["gbytes_per_s"].get<double>(), k["share"].get<double>() * 100, k["source"].get<std::string>().c_str());
}

int bench(const BenchOptions &options) {
  Session session(options.module, options.session);
  uint64_t process = residentBytes();
  nlohmann::json results = nlohmann::json::array();
  for (const Program &program : session.module().programs) {
    if (!options.entry.empty() && program.name != options.entry)
      continue;
    results.push_back(benchEntry(session, process, program, options));
    if (options.json.empty())
      printTable(results.back());
    session.release(program.name);
  }
  if (results.empty())
    session.module().entry(options.entry);
  nlohmann::json out = results.size() == 1 ? results[0] : nlohmann::json{{"entries", results}};
  if (options.json == "-")
    std::printf("%s\n", out.dump().c_str());
  else if (!options.json.empty())
    writeFileAtomically(options.json, out.dump(1) + "\n");
  return 0;
}

} // namespace

Action addBench(CLI::App &app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App *sub = app.add_subcommand("bench", "time the entries of a module, kernel by kernel, against the machine's measured peak");
  sub->add_option("module", options->module, "the module (.hbm)")->required();
  sub->add_option("entry", options->entry, "one entry (default: all)");
  sub->add_option("--repeat", options->repeat, "timed runs")->check(CLI::PositiveNumber);
  sub->add_option("--warmup", options->warmup, "runs before")->check(CLI::NonNegativeNumber);
  sub->add_option("--kernel", options->kernel, "only this kernel in the table");
  sub->add_option("--json", options->json, "write one JSON object to this file (- or nothing: stdout)")->expected(0, 1)->default_str("-")->run_callback_for_default();
  addSessionFlags(*sub, options->session);
  return [options] { return bench(*options); };
}

} // namespace hb::rt
