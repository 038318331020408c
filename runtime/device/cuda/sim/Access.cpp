#include "runtime/device/cuda/sim/Access.h"
#include "runtime/device/cuda/sim/HostVector.h"

#include <algorithm>

HB_HOST_VECTOR_BEGIN
namespace hb::ptx {
namespace {

std::string hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

const char *verb(const Access &access) { return access.atomic ? "updates" : access.writing ? "writes" : "reads"; }

void aligned(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask, const uint64_t (&address)[32], uint32_t bytes) {
  uint64_t low = 0;
  for (unsigned l = 0; l < 32; ++l)
    low |= address[l] & (uint64_t(0) - (mask >> l & 1));
  if (!(low & (bytes - 1)))
    return;
  for (unsigned l = 0; l < 32; ++l)
    if ((mask >> l & 1) && (address[l] & (bytes - 1)))
      worker.stop("misaligned", i, warp, l, "address " + hex(address[l]) + " is no multiple of " + std::to_string(bytes));
}

/// The largest offset is enough: offsets are unsigned.
void bounded(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask, const uint64_t (&address)[32], uint32_t bytes, uint64_t limit, const char *memory) {
  uint64_t most = 0;
  for (unsigned l = 0; l < 32; ++l)
    most = std::max(most, (mask >> l & 1) ? address[l] : 0);
  if (bytes <= limit && most <= limit - bytes)
    return;
  for (unsigned l = 0; l < 32; ++l)
    if ((mask >> l & 1) && (bytes > limit || address[l] > limit - bytes))
      worker.stop("out-of-bounds", i, warp, l,
                  std::string(memory) + " memory at " + std::to_string(static_cast<int64_t>(address[l])) + " … +" + std::to_string(bytes) + ", there are " + std::to_string(limit) + " bytes");
}

void sharedRaces(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask, const uint64_t (&address)[32], const Access &access) {
  if (!worker.races.on())
    return;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned l = static_cast<unsigned>(std::countr_zero(rest));
    uint32_t at = static_cast<uint32_t>(address[l]);
    SharedConflict conflict = access.atomic    ? worker.races.atomic(warp.index, l, at, access.bytes, i.source)
                              : access.writing ? worker.races.write(warp.index, l, at, access.bytes, i.source)
                                               : worker.races.read(warp.index, l, at, access.bytes);
    if (conflict.is != SharedConflict::Is::None) [[unlikely]]
      report(worker, warp, i, l, address[l], conflict);
  }
}

void globalRaces(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask, const uint64_t (&address)[32], const Access &access, const GlobalMemory::Range &range) {
  auto ordered = [&](uint32_t thread, uint32_t clock) {
    uint32_t at = clock + worker.races.blockClock();
    return thread / 32 == warp.index ? at < worker.races.clock(warp.index) : worker.races.ordered(warp.index, thread / 32, at);
  };
  uint32_t clock = worker.races.clock(warp.index) - worker.races.blockClock();
  auto strength = access.strong ? GlobalMemory::Strength::Strong : GlobalMemory::Strength::Weak;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned l = static_cast<unsigned>(std::countr_zero(rest));
    uint32_t thread = warp.index * 32 + l;
    using Is = GlobalMemory::Conflict::Is;
    GlobalMemory::Conflict conflict{};
    if (access.atomic || !access.writing)
      conflict = worker.memory.access(range, address[l], access.bytes, false, strength, thread, clock, ordered);
    if (access.writing && conflict.is == Is::None)
      conflict = worker.memory.access(range, address[l], access.bytes, true, strength, thread, clock, ordered);
    if (conflict.is == Is::None) [[likely]]
      continue;
    std::string who = conflict.otherBlock ? conflict.block == 0xFFFFFF ? "several blocks" : "block " + std::to_string(conflict.block) : "thread " + std::to_string(conflict.thread) + " of the same block";
    worker.find("race", i, warp, l, std::string("global memory at ") + hex(address[l]) + ": " + verb(access) + " what " + who + (conflict.is == Is::WriteAfterRead ? " read" : " wrote") +
                                        (conflict.otherBlock ? " in the same launch" : " without a barrier between them"));
  }
}

void inGlobal(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask, const uint64_t (&address)[32], const Access &access) {
  uint64_t least = ~uint64_t(0), most = 0;
  for (unsigned l = 0; l < 32; ++l) {
    least = std::min(least, (mask >> l & 1) ? address[l] : ~uint64_t(0));
    most = std::max(most, (mask >> l & 1) ? address[l] : 0);
  }
  const GlobalMemory::Range *range = worker.memory.find(least, most - least + access.bytes);
  if (range && (!access.writing || range->writable)) {
    if (worker.globalRaces && range->writes)
      globalRaces(worker, warp, i, mask, address, access, *range);
    return;
  }
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned l = static_cast<unsigned>(std::countr_zero(rest));
    range = worker.memory.find(address[l], access.bytes);
    if (!range && worker.launch.options.bounds) {
      const GlobalMemory::Range *near = worker.memory.nearest(address[l]);
      worker.stop("out-of-bounds", i, warp, l,
                  std::string("global memory at ") + hex(address[l]) + " … +" + std::to_string(access.bytes) +
                      (near ? ", " + std::to_string(address[l] - near->start) + " bytes behind the start of a range of " + std::to_string(near->end - near->start) + " bytes" : ", before every range"));
    }
    if (range && access.writing && !range->writable)
      worker.stop("read-only", i, warp, l, std::string(verb(access)) + " memory that is only for reading, at " + hex(address[l]));
    if (range && worker.globalRaces && range->writes)
      globalRaces(worker, warp, i, 1u << l, address, access, *range);
  }
}

} // namespace

void report(Worker &worker, Warp &warp, const Instruction &i, unsigned lane, uint64_t address, const SharedConflict &conflict) {
  using Is = SharedConflict::Is;
  std::string where = "shared memory at " + std::to_string(address) + ": ";
  std::string who = conflict.instructionKnown ? worker.other(conflict.thread, conflict.instruction) : "thread " + std::to_string(conflict.thread);
  switch (conflict.is) {
  case Is::None: return;
  case Is::Uninitialised: worker.find("uninitialised", i, warp, lane, where + "read before anybody wrote it"); return;
  case Is::MissingWait: worker.find("missing-wait", i, warp, lane, where + "the asynchronous copy of " + who + " was not waited for"); return;
  case Is::ReadAfterWrite: worker.find("race", i, warp, lane, where + "reads what " + who + " wrote without a barrier between them"); return;
  case Is::WriteAfterWrite: worker.find("race", i, warp, lane, where + "writes what " + who + " wrote without a barrier between them"); return;
  case Is::WriteAfterRead:
    worker.find("race", i, warp, lane, where + "writes what " + (conflict.severalReaders ? "several threads of warp " + std::to_string(conflict.thread / 32) : who) + " read without a barrier between them");
  }
}

void sharedBounds(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask, const uint64_t (&address)[32], uint32_t bytes) {
  bounded(worker, warp, i, mask, address, bytes, worker.launch.sharedBytes, "shared");
  aligned(worker, warp, i, mask, address, bytes);
}

void globalAccess(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask, const uint64_t (&address)[32], const Access &access) {
  aligned(worker, warp, i, mask, address, access.bytes);
  if (!worker.executions.empty())
    countSectors(worker, mask, address, access.bytes);
  inGlobal(worker, warp, i, mask, address, access);
}

void resolve(Worker &worker, Warp &warp, const Instruction &i, Space space, uint32_t mask, const uint64_t (&address)[32], const Access &access, std::byte *(&pointer)[32]) {
  switch (space) {
  case Space::Shared:
    sharedBounds(worker, warp, i, mask, address, access.bytes);
    if (!worker.executions.empty())
      countBanks(worker, mask, address, access.bytes);
    sharedRaces(worker, warp, i, mask, address, access);
    for (unsigned l = 0; l < 32; ++l)
      pointer[l] = worker.shared + address[l];
    return;
  case Space::Local:
    bounded(worker, warp, i, mask, address, access.bytes, worker.entry.localBytes, "local");
    aligned(worker, warp, i, mask, address, access.bytes);
    for (unsigned l = 0; l < 32; ++l)
      pointer[l] = warp.local + size_t(worker.entry.localBytes) * l + address[l];
    return;
  case Space::Param:
    bounded(worker, warp, i, mask, address, access.bytes, worker.launch.parameters.size(), "parameter");
    aligned(worker, warp, i, mask, address, access.bytes);
    if (access.writing)
      worker.stop("read-only", i, warp, static_cast<unsigned>(std::countr_zero(mask)), "writes a parameter of the kernel");
    for (unsigned l = 0; l < 32; ++l)
      pointer[l] = const_cast<std::byte *>(worker.launch.parameters.data()) + address[l];
    return;
  case Space::Generic: {
    // Each lane goes where its address lies.
    constexpr std::pair<uint64_t, Space> windows[] = {{0, Space::Global}, {kSharedWindow, Space::Shared}, {kLocalWindow, Space::Local}, {kParameterWindow, Space::Param}};
    uint32_t rest = mask;
    for (const auto &[window, in] : windows) {
      uint32_t part = 0;
      uint64_t offset[32];
      for (unsigned l = 0; l < 32; ++l) {
        part |= static_cast<uint32_t>((address[l] & kWindowMask) == window) << l;
        offset[l] = address[l] - window;
      }
      part &= rest;
      if (!part)
        continue;
      std::byte *found[32];
      resolve(worker, warp, i, in, part, offset, access, found);
      for (unsigned l = 0; l < 32; ++l)
        if (part >> l & 1)
          pointer[l] = found[l];
      rest &= ~part;
    }
    if (rest)
      worker.stop("out-of-bounds", i, warp, static_cast<unsigned>(std::countr_zero(rest)), "address " + hex(address[std::countr_zero(rest)]) + " lies in no memory");
    return;
  }
  default:
    globalAccess(worker, warp, i, mask, address, access);
    for (unsigned l = 0; l < 32; ++l)
      pointer[l] = reinterpret_cast<std::byte *>(address[l]);
  }
}

void countBanks(Worker &worker, uint32_t mask, const uint64_t (&address)[32], uint32_t bytes) {
  unsigned lanes = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
  for (unsigned first = 0; first < 32; first += lanes) {
    uint64_t words[128];
    unsigned count = 0;
    for (unsigned l = first; l < first + lanes; ++l)
      if (mask >> l & 1)
        for (uint32_t b = 0; b < std::max(bytes, 4u); b += 4)
          words[count++] = (address[l] + b) / 4;
    if (!count)
      continue;
    std::sort(words, words + count);
    count = static_cast<unsigned>(std::unique(words, words + count) - words);
    unsigned inBank[32] = {}, most = 0;
    for (unsigned w = 0; w < count; ++w)
      most = std::max(most, ++inBank[words[w] % 32]);
    worker.report.sharedWavefronts += most;
    worker.report.sharedIdeal += (count + 31) / 32;
  }
}

void countSectors(Worker &worker, uint32_t mask, const uint64_t (&address)[32], uint32_t bytes) {
  uint64_t sectors[32], total = 0;
  unsigned count = 0;
  uint64_t starts[32];
  for (unsigned l = 0; l < 32; ++l)
    if (mask >> l & 1) {
      starts[count] = address[l];
      sectors[count++] = address[l] / 32;
    }
  std::sort(sectors, sectors + count);
  std::sort(starts, starts + count);
  total = static_cast<uint64_t>(std::unique(starts, starts + count) - starts) * bytes;
  uint64_t touched = static_cast<uint64_t>(std::unique(sectors, sectors + count) - sectors);
  worker.report.globalSectors += touched;
  worker.report.globalIdeal += std::min(touched, (total + 31) / 32);
}

} // namespace hb::ptx
HB_HOST_VECTOR_END
