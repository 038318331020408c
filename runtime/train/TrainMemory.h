// What a training run will need, known before its first batch.
#pragma once

#include "runtime/exec/MemoryPlan.h"
#include "runtime/train/ModuleStep.h"

namespace hb {

/// The module's plan (planMemory; `process` as there) and what the trainer keeps beside it on each of `ranks` processes: factors, gradients and moments, the records'
/// inputs that are kept between epochs, pictures on their way into a grid. `parameters`: trained numbers.
MemoryPlan planTraining(const Session &session, uint64_t process, const ModuleStep &step, const TrainConfig &config, size_t records, size_t parameters, int ranks);

} // namespace hb
