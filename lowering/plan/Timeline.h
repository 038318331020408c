// What lies in a program's arena when: read off the commands and the numbers of the values they touch, without the planner's help.
#pragma once

#include "dialects/grad/Stage.h"
#include "dialects/plan/Plan.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace hb {

/// What a value is kept for.
enum class MemoryKind {
  saved,      ///< left by the forward part for the gradient
  recomputed, ///< forward work done once more
  gradient,   ///< of the backward part
  working,    ///< everything else
};
inline constexpr size_t kMemoryKinds = 4;

/// A value in the arena, from the command that writes it first to the last that needs it. Commands are counted over the program's text: a loop's body
/// is there once, between the command that begins the loop and the one that ends it.
struct TimelineValue {
  int64_t bytes = 0;    ///< of the value
  int64_t occupied = 0; ///< of the arena: whole cache lines
  int64_t begin = 0, end = 0;
  MemoryKind kind = MemoryKind::working;
  std::string name, source;
};

struct TimelineLoop {
  int64_t begin = 0, end = 0;
  int64_t count = 0;          ///< of iterations; the most there can be where the count is known at run time only
  bool countIsKnown = true;
  int depth = 0;
};

struct Timeline {
  int64_t commands = 0;
  std::vector<TimelineValue> values; ///< in the order of their first commands
  std::vector<TimelineLoop> loops;
  std::vector<grad::Stage> stages; ///< of every command

  using Kinds = std::array<int64_t, kMemoryKinds>;
  /// Occupied bytes at every command, by kind.
  std::vector<Kinds> occupied() const;
};

/// Needs a module after the plan phase.
Timeline timelineOf(plan::ProgramOp program);

} // namespace hb
