// A block from its start to its end, on one host thread.
#include "runtime/device/cuda/sim/Machine.h"

#include <algorithm>

namespace hb::ptx {
namespace {

constexpr size_t kMaxFindings = 16;
constexpr uint64_t kSlice = 1u << 16;   // instructions of a warp before another one gets its turn
constexpr size_t kBehindShared = 64;    // vector loads of the interpreter itself may look this far

} // namespace

Worker::Worker(Launch &launch) : launch(launch), entry(*launch.entry), memory(*launch.memory), random(launch.options.scheduleSeed) {
  size_t image = (entry.registers.size() + 63) / 64 * 64;
  registers.resize(image * launch.warps + 64);
  std::byte *start = registers.data();
  start += (64 - reinterpret_cast<uintptr_t>(start) % 64) % 64;
  local.resize(size_t(entry.localBytes) * 32 * launch.warps);
  // Shared memory starts at a multiple of 1024, as swizzled tiles want it.
  sharedStorage.resize(launch.sharedBytes + 1024 + kBehindShared);
  shared = sharedStorage.data();
  shared += (1024 - reinterpret_cast<uintptr_t>(shared) % 1024) % 1024;
  warps.resize(launch.warps);
  for (uint32_t w = 0; w < launch.warps; ++w) {
    Warp &warp = warps[w];
    warp.index = w;
    warp.registers = start + image * w;
    warp.local = local.data() + size_t(entry.localBytes) * 32 * w;
    std::copy(entry.registers.begin(), entry.registers.end(), warp.registers);
    uint32_t threads = launch.threads - w * 32;
    warp.full = threads >= 32 ? kAllLanes : (1u << threads) - 1;
  }
  races.start(launch.sharedBytes, launch.warps, entry.sharedGranule, launch.options.races, launch.options.initialised);
  globalRaces = launch.options.races && launch.options.threads == 1;
  if (launch.options.counts)
    executions.assign(entry.code.size(), 0);
}

uint32_t Worker::specialValue(Special special, uint32_t warp, uint32_t lane) const {
  const Dim3 &b = launch.block, &g = launch.grid;
  uint32_t thread = warp * 32 + lane;
  switch (special) {
  case Special::TidX: return b.y * b.z == 1 ? thread : thread % b.x;
  case Special::TidY: return b.y * b.z == 1 ? 0 : thread / b.x % b.y;
  case Special::TidZ: return b.z == 1 ? 0 : thread / b.x / b.y;
  case Special::NtidX: return b.x;
  case Special::NtidY: return b.y;
  case Special::NtidZ: return b.z;
  case Special::CtaX: return blockId.x;
  case Special::CtaY: return blockId.y;
  case Special::CtaZ: return blockId.z;
  case Special::NctaX: return g.x;
  case Special::NctaY: return g.y;
  case Special::NctaZ: return g.z;
  case Special::Lane: return lane;
  case Special::Warp: return warp;
  case Special::Warps: return launch.warps;
  case Special::MaskEq: return 1u << lane;
  case Special::MaskLt: return (1u << lane) - 1;
  case Special::MaskLe: return (2u << lane) - 1; // 2 << 31 is 0
  case Special::MaskGt: return ~((2u << lane) - 1);
  case Special::MaskGe: return ~((1u << lane) - 1);
  case Special::DynamicShared: return launch.dynamicBytes;
  case Special::TotalShared: return launch.sharedBytes;
  default: return 0; // no clock and no multiprocessors here
  }
}

void Worker::startBlock(uint64_t block) {
  blockIndex = static_cast<uint32_t>(block);
  blockId = {blockIndex % launch.grid.x, blockIndex / launch.grid.x % launch.grid.y, blockIndex / launch.grid.x / launch.grid.y};
  bool copiesLeft = false;
  for (const Warp &warp : warps)
    copiesLeft |= !warp.copies.empty();
  races.startBlock(copiesLeft);
  memory.startBlock(blockIndex);
  // All ones are NaN in every float format, so a value that was never written shows.
  std::memset(shared, 0xFF, launch.sharedBytes);
  std::fill(local.begin(), local.end(), std::byte{0xFF});
  barriers = {};
  for (Warp &warp : warps) {
    std::memset(warp.registers, 0, entry.variableBytes);
    warp.alive = warp.active = warp.full;
    warp.pc = 0;
    warp.limit = kNone;
    warp.splitCount = 0;
    warp.state = WarpState::Ready;
    warp.yielded = false;
    warp.executed = 0;
    warp.copies.clear();
    warp.committed = {};
    for (auto [slot, special] : entry.specials)
      for (uint32_t lane = 0, *values = warp.slot<uint32_t>(slot); lane < 32; ++lane)
        values[lane] = specialValue(special, warp.index, lane);
  }
}

void Worker::runBlock() {
  bool shuffled = launch.options.scheduleSeed != 0;
  std::vector<Warp *> ready;
  for (size_t turn = 0;; ++turn) {
    ready.clear();
    unsigned waiting = 0;
    for (Warp &warp : warps) {
      if (warp.state == WarpState::Ready)
        ready.push_back(&warp);
      waiting += warp.state == WarpState::AtBarrier;
    }
    if (ready.empty()) {
      if (!waiting)
        return;
      for (Warp &warp : warps)
        if (warp.state == WarpState::AtBarrier) {
          const Barrier &barrier = barriers[warp.barrier];
          stop("divergence", *warp.waitsAt, warp, 0, "barrier " + std::to_string(warp.barrier) + " waits for " + std::to_string(barrier.expected) + " threads, " + std::to_string(barrier.arrived) +
                                                         " arrived and every other warp has exited or waits elsewhere");
        }
    }
    Warp &warp = *ready[shuffled ? random() % ready.size() : turn % ready.size()];
    step(warp, shuffled ? 1 + random() % 64 : kSlice);
    warp.yielded = false;
    if (warp.executed > launch.options.instructionBudget)
      stop("deadlock", entry.code[std::min<size_t>(warp.pc, entry.code.size() - 1)], warp, 0, "the warp executed " + std::to_string(warp.executed) + " instructions without coming to an end");
    if (launch.stop.load(std::memory_order_relaxed))
      throw StopLaunch{};
  }
}

void Worker::run() {
  try {
    for (;;) {
      uint64_t next = launch.nextBlock.fetch_add(1);
      if (next >= launch.grid.count() || launch.stop.load(std::memory_order_relaxed))
        break;
      startBlock(launch.order.empty() ? next : launch.order[next]);
      runBlock();
    }
  } catch (const StopLaunch &) {
    launch.stop = true;
  }
  for (size_t i = 0; i < executions.size(); ++i)
    if (executions[i] && !entry.sources[entry.code[i].source].text.empty())
      report.instructions[entry.sources[entry.code[i].source].opcode] += executions[i];
}

std::string Worker::other(uint32_t thread, uint32_t instruction) const {
  const Source &source = entry.sources[std::min<size_t>(instruction, entry.sources.size() - 1)];
  return "thread " + std::to_string(thread) + " (line " + std::to_string(source.line) + ": " + source.text + ")";
}

void Worker::find(const char *check, const Instruction &at, const Warp &warp, unsigned lane, const std::string &what) {
  ++report.findingCount;
  if (report.findings.size() >= kMaxFindings || !seen.insert({check, at.source}).second)
    return;
  const Source &source = entry.sources[at.source];
  report.findings.push_back({check, entry.info.name, "line " + std::to_string(source.line) + ": " + source.text,
                             "block " + std::to_string(blockIndex) + ", thread " + std::to_string(warp.index * 32 + lane) + ": " + what});
}

void Worker::stop(const char *check, const Instruction &at, const Warp &warp, unsigned lane, const std::string &what) {
  find(check, at, warp, lane, what);
  throw StopLaunch{};
}

} // namespace hb::ptx
