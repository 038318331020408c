// What a process will need to run entries of a module, line by line, known before any of it is allocated.
#pragma once

#include "runtime/exec/Session.h"

#include <string>
#include <vector>

namespace hb {

struct MemoryLine {
  std::string what;
  uint64_t bytes = 0;
};

/// Everything but the first line is computed from the module; the first is what the process has resident before anything of the rest is allocated.
struct MemoryPlan {
  std::vector<MemoryLine> lines;

  uint64_t total() const;
  /// "process 12.3 MiB, arena 282.9 MiB, …"; lines of nothing are left out.
  std::string text() const;
};

/// The plan for running `program`, and now and then one of `beside` while its arena is kept: an arena and tensors for the largest of them, packed weights for
/// all. `process` is residentBytes() of the open session before anything was executed: weights and arenas would count twice otherwise.
MemoryPlan planMemory(const Session &session, uint64_t process, const Program &program, const std::vector<const Program *> &beside = {});

} // namespace hb
