// The arena over the commands of a program, as a drawing.
#pragma once

#include "lowering/plan/Timeline.h"

#include <string>

namespace hb::tool {

struct ChartLimits {
  int64_t arena = 0, lowerBound = 0;
  int64_t room = 0; ///< what a memory budget leaves for the arena; 0: no budget
};

/// Names of the kinds and what they are, in the order in which they are stacked.
struct MemoryKindText {
  MemoryKind kind;
  const char *name, *style; ///< in the legend; class of the style sheet
};
extern const MemoryKindText kMemoryKindTexts[kMemoryKinds];

/// Rules that the drawing needs.
extern const char *const kChartStyle;

/// An SVG element: kinds stacked, lines for the limits, a strip that tells forward from backward work, brackets over loops, and under the pointer the largest
/// tensors of a command. At most four hundred columns, each at its fullest command.
std::string memoryChart(const Timeline &timeline, const ChartLimits &limits, const std::string &label);

} // namespace hb::tool
