#include "runtime/base/Memory.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sys/resource.h>

namespace hb {
namespace {

/// Below this the check would cost more than it can save.
constexpr uint64_t kSmall = uint64_t(64) << 20;

/// Files of /proc and of control groups have no size: they are read to their end.
std::string contents(const std::string &path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt; // "max" is no number
}

void tighten(MemoryLimit &limit, uint64_t bytes, const std::string &source) {
  if (bytes < limit.bytes)
    limit = {bytes, source};
}

uint64_t minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/// Version 2 of control groups: a limit holds for everything below its folder, so all folders up to the root count. Pages of
/// files are given back when memory is short and do not count as used (kernel documentation, cgroup-v2, "memory.stat").
void tightenByGroups(MemoryLimit &limit) {
  std::string line = contents("/proc/self/cgroup");
  size_t start = line.find("0::/");
  if (start == std::string::npos)
    return;
  std::string folder = line.substr(start + 3, line.find('\n', start) - start - 3);
  for (;; folder.resize(folder.rfind('/'))) {
    std::string place = "/sys/fs/cgroup" + (folder == "/" ? "" : folder);
    auto most = number(contents(place + "/memory.max")), used = number(contents(place + "/memory.current"));
    if (most && used) {
      std::string stat = contents(place + "/memory.stat");
      uint64_t files = memoryField(stat, "inactive_file").value_or(0) + memoryField(stat, "active_file").value_or(0);
      tighten(limit, minus(*most, minus(*used, files)), "memory.max of the control group");
    }
    if (folder.find('/') == std::string::npos || folder == "/")
      return;
  }
}

} // namespace

std::optional<uint64_t> memoryField(std::string_view text, std::string_view name) {
  for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    if (at > 0 && text[at - 1] != '\n')
      continue;
    std::string_view line = text.substr(at + name.size(), text.find('\n', at) - at - name.size());
    if (line.empty() || (line[0] != ':' && line[0] != ' '))
      continue;
    size_t digits = line.find_first_of("0123456789");
    if (digits == std::string_view::npos)
      return std::nullopt;
    auto value = number(line.substr(digits));
    return value && line.ends_with("kB") ? *value * 1024 : value;
  }
  return std::nullopt;
}

MemoryLimit availableMemory() {
  MemoryLimit limit;
  std::string machine = contents("/proc/meminfo");
  if (auto free = memoryField(machine, "MemAvailable"))
    tighten(limit, *free + memoryField(machine, "SwapFree").value_or(0), "free memory of the machine");
  tightenByGroups(limit);
  rlimit space;
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
    tighten(limit, minus(space.rlim_cur, memoryField(contents("/proc/self/status"), "VmSize").value_or(0)), "limit of the process, ulimit -v");
  return limit;
}

uint64_t residentBytes() { return memoryField(contents("/proc/self/status"), "VmRSS").value_or(0); }

uint64_t peakResidentBytes() { return memoryField(contents("/proc/self/status"), "VmHWM").value_or(0); }

void requireMemory(uint64_t bytes, const std::string &where, const std::string &purpose) {
  if (bytes < kSmall)
    return;
  MemoryLimit limit = availableMemory();
  if (bytes > limit.bytes)
    throw Error(903, where, std::to_string(bytes) + " bytes of memory (" + purpose + ")", std::to_string(limit.bytes) + " available (" + limit.source + ")",
                "choose a smaller batch or picture, or make room");
}

} // namespace hb
