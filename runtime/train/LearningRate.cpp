#include "runtime/train/LearningRate.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace hb {
namespace {

/// The linear ramp that every schedule but "constant" begins with.
double warmup(const LearningRateSchedule &s, double step) { return step / std::max<double>(1, static_cast<double>(s.warmupSteps)); }

/// Share of the way from the end of the warm-up to the end of the run.
double progress(const LearningRateSchedule &s, double step) {
  return (step - static_cast<double>(s.warmupSteps)) / std::max<double>(1, static_cast<double>(s.totalSteps - s.warmupSteps));
}

double constant(const LearningRateSchedule &, double) { return 1; }

double linear(const LearningRateSchedule &s, double step) {
  return std::max(0.0, (static_cast<double>(s.totalSteps) - step) / std::max<double>(1, static_cast<double>(s.totalSteps - s.warmupSteps)));
}

/// Half a cosine wave; diffusers' get_scheduler passes no cycle count here, its default is one half.
double cosine(const LearningRateSchedule &s, double step) { return std::max(0.0, 0.5 * (1.0 + std::cos(M_PI * 0.5 * 2.0 * progress(s, step)))); }

double cosineWithRestarts(const LearningRateSchedule &s, double step) {
  double share = progress(s, step);
  if (share >= 1)
    return 0;
  return std::max(0.0, 0.5 * (1.0 + std::cos(M_PI * std::fmod(static_cast<double>(s.cycles) * share, 1.0))));
}

/// From the base rate down to diffusers' fixed end rate of 1e-7.
double polynomial(const LearningRateSchedule &s, double step) {
  constexpr double kEnd = 1e-7;
  if (step > static_cast<double>(s.totalSteps))
    return kEnd / s.base;
  double remaining = 1 - (step - static_cast<double>(s.warmupSteps)) / static_cast<double>(s.totalSteps - s.warmupSteps);
  return ((s.base - kEnd) * std::pow(remaining, s.power) + kEnd) / s.base;
}

struct Kind {
  const char *name;
  bool warms;
  double (*factor)(const LearningRateSchedule &, double);
};
constexpr Kind kKinds[] = {{"constant", false, constant}, {"constant_with_warmup", true, constant}, {"linear", true, linear},
                           {"cosine", true, cosine},      {"cosine_with_restarts", true, cosineWithRestarts}, {"polynomial", true, polynomial}};

const Kind *find(const std::string &name) {
  auto it = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind &kind) { return kind.name == name; });
  return it == std::end(kKinds) ? nullptr : it;
}

} // namespace

bool isLearningRateSchedule(const std::string &name) { return find(name) != nullptr; }

std::string learningRateSchedules() {
  std::string names;
  for (const Kind &kind : kKinds)
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  return names;
}

double learningRate(const LearningRateSchedule &s, int64_t stepsDone) {
  const Kind *kind = find(s.name);
  double step = static_cast<double>(stepsDone);
  return s.base * (kind->warms && stepsDone < s.warmupSteps ? warmup(s, step) : kind->factor(s, step));
}

} // namespace hb
