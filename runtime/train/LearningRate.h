// Learning rates over a run, with diffusers' names and values.
#pragma once

#include <cstdint>
#include <string>

namespace hb {

/// The settings of diffusers' get_scheduler.
struct LearningRateSchedule {
  std::string name = "constant";
  double base = 5e-6;
  int64_t warmupSteps = 0;
  int64_t totalSteps = 0; ///< optimizer steps of the run
  int64_t cycles = 1;     ///< cosine_with_restarts
  double power = 1;       ///< polynomial
};

bool isLearningRateSchedule(const std::string &name);
/// "constant, constant_with_warmup, …" for messages.
std::string learningRateSchedules();

/// The rate of the optimizer step after `stepsDone` others, as torch's LambdaLR gives it with diffusers' multipliers.
double learningRate(const LearningRateSchedule &schedule, int64_t stepsDone);

} // namespace hb
