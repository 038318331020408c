// Compiled with -ffp-contract=off: the tables are float32 values with the library's rounding.
#include "runtime/pipeline/Scheduler.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

struct MethodRow {
  std::string_view name;
  SamplingMethod method;
};
constexpr MethodRow kMethods[] = {{"ddim", SamplingMethod::Ddim}, {"ddim-hummingbird", SamplingMethod::DdimHummingbird}, {"euler", SamplingMethod::Euler}};

constexpr MethodRow kClasses[] = {{"DDIMScheduler", SamplingMethod::Ddim}, {"EulerDiscreteScheduler", SamplingMethod::Euler}};

/// Every setting of the two schedulers (and the two that PNDM leaves in Stable Diffusion's files). A setting may be known and refused.
const std::set<std::string_view> kKnownSettings = {
    "beta_end",          "beta_schedule",  "beta_start",           "clip_sample",       "clip_sample_range",     "dynamic_thresholding_ratio",
    "final_sigmas_type", "interpolation_type", "num_train_timesteps", "prediction_type", "rescale_betas_zero_snr", "sample_max_value",
    "set_alpha_to_one",  "sigma_max",      "sigma_min",            "skip_prk_steps",    "steps_offset",          "thresholding",
    "timestep_spacing",  "timestep_type",  "trained_betas",        "use_beta_sigmas",   "use_exponential_sigmas", "use_karras_sigmas"};

SamplingMethod classMethod(const Settings &settings) {
  std::string name = settings.text("_class_name", "DDIMScheduler");
  for (const MethodRow &row : kClasses)
    if (row.name == name)
      return row.method;
  settings.unsupported("_class_name", "\"DDIMScheduler\" or \"EulerDiscreteScheduler\"");
}

/// Descending time steps of a method. "leading" spacing: multiples of the step ratio, moved by an offset.
std::vector<int64_t> timesteps(const SchedulerConfig &config, SamplingMethod method, int64_t steps) {
  int64_t train = config.trainTimesteps;
  int64_t ratio = train / steps;
  // Hummingbird's grid ignores the offset and is moved so that it begins at the last training step; its small end is at least 1.
  bool lead = method == SamplingMethod::DdimHummingbird;
  int64_t shift = lead ? (train - 1) - ratio * (steps - 1) : config.stepsOffset;
  std::vector<int64_t> grid;
  for (int64_t k = steps - 1; k >= 0; --k)
    grid.push_back(lead ? std::max<int64_t>(k * ratio + shift, 1) : k * ratio + shift);
  return grid;
}

/// DDIM with eta 0 (Song, Meng, Ermon, "Denoising diffusion implicit models", 2021, eq. 12), solved for x and ε:
///   x̂₀ = (x − √(1−ᾱ_t) ε)/√ᾱ_t,  x_p = √ᾱ_p x̂₀ + √(1−ᾱ_p) ε  ⇒  c_x = √(ᾱ_p/ᾱ_t),  c_ε = √(1−ᾱ_p) − √(ᾱ_p (1−ᾱ_t)/ᾱ_t).
/// The difference in c_ε loses up to two digits, so both are computed in double from the float32 ᾱ and rounded once.
Schedule ddimSchedule(const SchedulerConfig &config, SamplingMethod method, int64_t steps) {
  std::vector<float> alphas = alphasCumprod(config);
  Schedule schedule;
  for (int64_t t : timesteps(config, method, steps)) {
    int64_t previous = t - config.trainTimesteps / steps;
    double at = alphas[size_t(t)];
    double ap = previous >= 0 ? double(alphas[size_t(previous)]) : config.alphaOneAtEnd ? 1.0 : double(alphas[0]);
    double cx = std::sqrt(ap / at);
    double ce = std::sqrt(1 - ap) - std::sqrt(ap * (1 - at) / at);
    schedule.rows.push_back({float(t), 1.0f, float(cx), float(ce)});
  }
  return schedule;
}

/// Euler's method for the probability flow in σ = √((1−ᾱ)/ᾱ) (Karras et al., "Elucidating the design space of diffusion-based generative
/// models", 2022, algorithm 1 with no churn): dx/dσ = ε, so x += (σ_next − σ) ε. The model sees x/√(σ²+1).
/// σ is float32 like the library's tensors; the time steps are whole, so interpolation between training steps never happens.
Schedule eulerSchedule(const SchedulerConfig &config, int64_t steps) {
  std::vector<float> alphas = alphasCumprod(config);
  std::vector<int64_t> grid = timesteps(config, SamplingMethod::Euler, steps);
  std::vector<float> sigmas;
  for (int64_t t : grid)
    sigmas.push_back(std::sqrt((1.0f - alphas[size_t(t)]) / alphas[size_t(t)]));
  sigmas.push_back(0.0f);
  Schedule schedule;
  float top = *std::max_element(sigmas.begin(), sigmas.end());
  schedule.initNoiseSigma = std::sqrt(top * top + 1.0f);
  for (size_t i = 0; i < grid.size(); ++i) {
    double sigma = sigmas[i];
    schedule.rows.push_back({float(grid[i]), float(1 / std::sqrt(sigma * sigma + 1)), 1.0f, sigmas[i + 1] - sigmas[i]});
  }
  return schedule;
}

} // namespace

SamplingMethod parseSamplingMethod(std::string_view name) {
  for (const MethodRow &row : kMethods)
    if (row.name == name)
      return row.method;
  throw Error(603, "--sampling-method", "ddim, ddim-hummingbird or euler", "\"" + std::string(name.substr(0, 80)) + "\"", "choose one of these");
}

std::string_view samplingMethodName(SamplingMethod method) {
  for (const MethodRow &row : kMethods)
    if (row.method == method)
      return row.name;
  return "";
}

SamplingMethod SchedulerConfig::ownMethodOf(std::string_view text, std::string where) { return classMethod(Settings::parse(text, std::move(where))); }

SchedulerConfig SchedulerConfig::parse(std::string_view text, std::string where, SamplingMethod method) {
  Settings settings = Settings::parse(text, std::move(where));
  SchedulerConfig config;
  config.ownMethod = classMethod(settings);
  settings.refuseUnknown(kKnownSettings);

  // Absent settings take the defaults of the class that is built, not of the class that wrote the file.
  bool euler = method == SamplingMethod::Euler;
  config.trainTimesteps = settings.integer("num_train_timesteps", 1000, 2, 100000);
  config.betaStart = settings.number("beta_start", 0.0001, 1e-12, 0.999);
  config.betaEnd = settings.number("beta_end", 0.02, 1e-12, 0.999);
  settings.requireText("beta_schedule", "linear", {"linear", "scaled_linear"});
  config.scaledLinear = settings.text("beta_schedule", "linear") == "scaled_linear";
  config.stepsOffset = settings.integer("steps_offset", 0, 0, config.trainTimesteps - 1);
  config.alphaOneAtEnd = settings.flag("set_alpha_to_one", true);

  settings.requireNull("trained_betas");
  settings.requireText("prediction_type", "epsilon", {"epsilon"});
  settings.requireFlag("rescale_betas_zero_snr", false);
  // Hummingbird's grid is leading by definition, whatever the file says of a grid it replaces.
  if (method != SamplingMethod::DdimHummingbird)
    settings.requireText("timestep_spacing", euler ? "linspace" : "leading", {"leading"});
  if (euler) {
    settings.requireText("interpolation_type", "linear", {"linear"});
    settings.requireText("final_sigmas_type", "zero", {"zero"});
    settings.requireText("timestep_type", "discrete", {"discrete"});
    for (const char *key : {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"})
      settings.requireFlag(key, false);
    settings.requireNull("sigma_min");
    settings.requireNull("sigma_max");
    return config;
  }
  settings.requireFlag("thresholding", false);
  // DDIM clips unless told otherwise, and a clipped step is not affine.
  if (settings.flag("clip_sample", true)) {
    if (settings.has("clip_sample"))
      settings.unsupported("clip_sample", "false");
    throw Error(635, settings.where() + ": \"clip_sample\"", "false", "no such setting, which means true", "write the setting into the file");
  }
  return config;
}

std::vector<float> trainingBetas(const SchedulerConfig &config) {
  // torch.linspace in float32: upwards from the start in the first half, downwards from the end in the second, the product not rounded
  // (the library's build fuses it with the addition, which shows in one beta of seven).
  int64_t n = config.trainTimesteps;
  auto bound = [&](double value) { return float(config.scaledLinear ? std::sqrt(value) : value); };
  float start = bound(config.betaStart), end = bound(config.betaEnd);
  float step = (end - start) / float(n - 1);
  std::vector<float> betas;
  betas.reserve(size_t(n));
  for (int64_t i = 0; i < n; ++i) {
    float value = i < n / 2 ? std::fma(step, float(i), start) : std::fma(-step, float(n - 1 - i), end);
    betas.push_back(config.scaledLinear ? value * value : value);
  }
  return betas;
}

std::vector<float> alphasCumprod(const SchedulerConfig &config) {
  std::vector<float> alphas = trainingBetas(config);
  double product = 1;
  for (float &value : alphas) {
    product *= double(1.0f - value);
    value = float(product);
  }
  return alphas;
}

Schedule makeSchedule(const SchedulerConfig &config, SamplingMethod method, int64_t steps) {
  std::string where = "number of steps";
  if (steps < 1 || steps > config.trainTimesteps)
    throw Error(604, where, "a number from 1 to " + std::to_string(config.trainTimesteps), std::to_string(steps), "choose another number of steps");
  int64_t first = timesteps(config, method, steps).front();
  if (first >= config.trainTimesteps)
    throw Error(604, where, "time steps below " + std::to_string(config.trainTimesteps),
                std::to_string(steps) + " steps, which begin at time step " + std::to_string(first), "choose fewer steps");
  return method == SamplingMethod::Euler ? eulerSchedule(config, steps) : ddimSchedule(config, method, steps);
}

void applyStep(const StepRow &row, std::span<float> x, std::span<const float> eps) {
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = x[i] * row.cx + eps[i] * row.ce;
}

} // namespace hb
