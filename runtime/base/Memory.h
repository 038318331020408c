// How much memory a process may still use, so that a run that cannot fit ends with a sentence and not with the kernel's killer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hb {

struct MemoryLimit {
  uint64_t bytes = UINT64_MAX;       ///< still to be had
  std::string source = "no limit"; ///< what sets that limit, for messages
};

/// The tightest of: what the machine has free or can free, the limit of the process's control group, its limit of address space.
MemoryLimit availableMemory();

/// What this process has in memory now, and the most it has had (VmRSS and VmHWM of /proc/self/status), mapped files included.
uint64_t residentBytes();
uint64_t peakResidentBytes();

/// Throws HB0903 when `bytes` are more than is available. `purpose` says what they are for.
void requireMemory(uint64_t bytes, const std::string &where, const std::string &purpose);

/// The number after "NAME" at the start of a line of a /proc or cgroup file, times 1024 when the line says kB; for tests.
std::optional<uint64_t> memoryField(std::string_view text, std::string_view name);

} // namespace hb
