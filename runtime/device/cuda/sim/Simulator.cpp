#include "runtime/device/cuda/sim/Simulator.h"
#include "runtime/base/Error.h"
#include "runtime/device/cuda/sim/Decoder.h"

#include <algorithm>
#include <thread>

namespace hb::ptx {
namespace {

constexpr uint32_t kMaxThreads = 1024;
constexpr size_t kMaxDynamicShared = 228u << 10;

[[noreturn]] void impossible(const std::string &where, const std::string &expected, const std::string &found) {
  throw Error(982, where, expected, found, "the launch does not fit the kernel");
}

} // namespace

Code::Code(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Code::~Code() = default;

std::shared_ptr<const Code> Code::parse(std::string_view ptx) { return std::shared_ptr<const Code>(new Code(decodeProgram(ptx))); }

const EntryInfo *Code::find(std::string_view entry) const {
  auto found = program_->entries.find(entry);
  return found == program_->entries.end() ? nullptr : &found->second.info;
}

std::vector<const EntryInfo *> Code::entries() const {
  std::vector<const EntryInfo *> result;
  for (const auto &[name, entry] : program_->entries)
    result.push_back(&entry.info);
  return result;
}

std::span<std::byte> Code::variable(std::string_view name) const {
  for (const Program::Storage &storage : program_->variables)
    if (storage.name == name)
      return {storage.start, storage.bytes};
  return {};
}

struct Simulator::State {
  GlobalMemory memory;
};

Simulator::Simulator() : state_(std::make_unique<State>()) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c"))
    throw Error(982, "the PTX simulator", "a processor with AVX2, FMA and F16C", "one without", "use another machine");
#endif
}
Simulator::~Simulator() = default;

void Simulator::allow(const void *start, size_t bytes, bool writable) { state_->memory.allow(reinterpret_cast<uint64_t>(start), bytes, writable); }
void Simulator::forget(const void *start) { state_->memory.forget(reinterpret_cast<uint64_t>(start)); }

LaunchReport Simulator::launch(const Code &code, std::string_view entryName, Dim3 grid, Dim3 block, size_t dynamicSharedBytes, std::span<const std::byte> parameters,
                               const CheckOptions &options) {
  std::string where = "kernel " + std::string(entryName);
  auto found = code.program_->entries.find(entryName);
  if (found == code.program_->entries.end())
    impossible(where, "an entry of the PTX text", "none of that name");
  const Entry &entry = found->second;
  uint64_t threads = block.count();
  uint32_t most = entry.info.maxThreads ? entry.info.maxThreads : kMaxThreads;
  if (threads == 0 || threads > most || grid.count() == 0 || grid.count() > 0x7FFFFFFF)
    impossible(where, "1 to " + std::to_string(most) + " threads and at least one block", std::to_string(threads) + " threads, " + std::to_string(grid.count()) + " blocks");
  if (parameters.size() != entry.parameterBytes)
    impossible(where, std::to_string(entry.parameterBytes) + " bytes of parameters", std::to_string(parameters.size()));
  if (dynamicSharedBytes > kMaxDynamicShared)
    impossible(where, "at most " + std::to_string(kMaxDynamicShared) + " bytes of dynamic shared memory", std::to_string(dynamicSharedBytes));

  Launch launch;
  launch.entry = &entry;
  launch.grid = grid;
  launch.block = block;
  launch.threads = static_cast<uint32_t>(threads);
  launch.warps = (launch.threads + 31) / 32;
  launch.dynamicBytes = static_cast<uint32_t>(dynamicSharedBytes);
  launch.sharedBytes = dynamicSharedBytes ? entry.dynamicStart() + launch.dynamicBytes : entry.sharedBytes;
  launch.parameters = parameters;
  launch.options = options;
  launch.memory = &state_->memory;
  if (options.scheduleSeed) {
    launch.order.resize(grid.count());
    for (uint32_t i = 0; i < launch.order.size(); ++i)
      launch.order[i] = i;
    std::shuffle(launch.order.begin(), launch.order.end(), std::mt19937(options.scheduleSeed));
  }
  // The module's own variables are there for the time of the launch.
  std::vector<const std::byte *> own;
  for (const Program::Storage &storage : code.program_->variables)
    if (storage.bytes && !state_->memory.overlaps(reinterpret_cast<uint64_t>(storage.start), storage.bytes)) {
      allow(storage.start, storage.bytes, storage.writable);
      own.push_back(storage.start);
    }
  unsigned workers = static_cast<unsigned>(std::clamp<uint64_t>(options.threads, 1, std::min<uint64_t>(grid.count(), 256)));
  state_->memory.startLaunch(entry.globalGranule, options.races && workers == 1);
  launch.options.threads = workers;

  std::vector<std::unique_ptr<Worker>> all;
  for (unsigned w = 0; w < workers; ++w)
    all.push_back(std::make_unique<Worker>(launch));
  std::vector<std::thread> helpers;
  for (unsigned w = 1; w < workers; ++w)
    helpers.emplace_back([&, w] { all[w]->run(); });
  all[0]->run();
  for (std::thread &helper : helpers)
    helper.join();
  for (const std::byte *start : own)
    forget(start);

  LaunchReport report = std::move(all[0]->report);
  for (unsigned w = 1; w < workers; ++w) {
    LaunchReport &part = all[w]->report;
    report.findings.insert(report.findings.end(), part.findings.begin(), part.findings.end());
    report.findingCount += part.findingCount;
    for (const auto &[name, count] : part.instructions)
      report.instructions[name] += count;
    report.sharedWavefronts += part.sharedWavefronts;
    report.sharedIdeal += part.sharedIdeal;
    report.globalSectors += part.globalSectors;
    report.globalIdeal += part.globalIdeal;
  }
  return report;
}

} // namespace hb::ptx
