#include "runtime/train/TrainMemory.h"

#include "runtime/train/Trainer.h"

#include <algorithm>

namespace hb {

MemoryPlan planTraining(const Session &session, uint64_t process, const ModuleStep &step, const TrainConfig &config, size_t records, size_t parameters, int ranks) {
  MemoryPlan plan = planMemory(session, process, step.program(), step.encoders());
  // The factors, both moments, the copy that kernels' factors are stacked from and the stack; a copy while files are written.
  uint64_t copies = 6 + (config.optimizer.emaDecay > 0);
  // The sum; with several ranks what is sent and what is received too, and the own piece (GradientSum).
  uint64_t sums = ranks > 1 ? 4 : 1;
  plan.lines.push_back({"adapter and optimizer", (copies + sums) * parameters * sizeof(float)});
  plan.lines.push_back({"records' inputs", std::min<uint64_t>(ModuleStep::kCacheBytes, records * step.recordBytes())});
  // The pictures, their grid, the grid's filtered rows, its PNG, and that once more in an event.
  uint64_t pictures = std::min<uint64_t>(Trainer::kGridPictures, static_cast<uint64_t>(step.batch() * config.train.gradientAccumulationSteps * ranks));
  plan.lines.push_back({"sample grid", 5 * pictures * step.pictureBytes()});
  return plan;
}

} // namespace hb
