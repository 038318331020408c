// Noise schedules: which time steps a generation visits, and what one step does to the latents.
//
// Every sampler offered is affine in latents and predicted noise, so a whole schedule is one table of constants. The compiled denoising
// step reads a row of it:
//   modelInput = x · inScale[i]
//   eps        = epsUncond + w · (epsCond − epsUncond)
//   x          = x · cx[i] + eps · ce[i]
#pragma once

#include "runtime/pipeline/SettingsFile.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

/// What `hb-rt generate --sampling-method` chooses. The class that the scheduler's file names does not bind: diffusers too builds any of
/// its schedulers from any scheduler's file.
enum class SamplingMethod {
  Ddim,            ///< diffusers' DDIMScheduler, eta 0
  DdimHummingbird, ///< the same step on the grid whose first time step is the last one of training
  Euler,           ///< diffusers' EulerDiscreteScheduler without churn
};

/// "ddim", "ddim-hummingbird", "euler". Error: HB0603.
SamplingMethod parseSamplingMethod(std::string_view name);
std::string_view samplingMethodName(SamplingMethod method);

/// scheduler_config.json, checked for one sampling method.
struct SchedulerConfig {
  /// What the file's "_class_name" means: Euler for EulerDiscreteScheduler, Ddim for DDIMScheduler and for files without a class.
  SamplingMethod ownMethod = SamplingMethod::Ddim;
  int64_t trainTimesteps = 1000;
  double betaStart = 0.0001, betaEnd = 0.02;
  bool scaledLinear = false; ///< betas are squares of a linear sequence of roots (Stable Diffusion); else linear themselves
  bool alphaOneAtEnd = true; ///< "set_alpha_to_one": what DDIM takes for ᾱ before time step 0
  int64_t stepsOffset = 0;

  /// Reads the settings that `method` needs and refuses what would change its numbers but is not offered.
  /// Errors: HB0632, HB0633, HB0634 (keys that neither scheduler has), HB0635 (v prediction, Karras sigmas, zero SNR, clipping, …).
  static SchedulerConfig parse(std::string_view text, std::string where, SamplingMethod method);
  /// The class's own method: what a pipeline folder means when the user chooses none. Errors: HB0632, HB0633, HB0635 (other classes).
  static SamplingMethod ownMethodOf(std::string_view text, std::string where);
};

/// β of every training step, float32 as torch computes them.
std::vector<float> trainingBetas(const SchedulerConfig &config);
/// ᾱ_t = Π_{s ≤ t} (1 − β_s): float32 values of a float64 running product, as torch.cumprod makes them on the CPU.
std::vector<float> alphasCumprod(const SchedulerConfig &config);

/// One step's constants, as the compiled step takes them.
struct StepRow {
  float timestep; ///< what the UNet is told
  float inScale;  ///< model input per latent
  float cx;       ///< next latent per latent
  float ce;       ///< next latent per predicted noise
};

struct Schedule {
  float initNoiseSigma = 1; ///< the initial noise is a normal latent times this
  std::vector<StepRow> rows; ///< in the order they are taken, noisiest first
};

/// The schedule of `steps` denoising steps. Error: HB0604 (no steps, or time steps outside the training range).
Schedule makeSchedule(const SchedulerConfig &config, SamplingMethod method, int64_t steps);

/// One step on the host, for tests and for readers: x[i] = x[i]·cx + eps[i]·ce. Both spans have the same length.
void applyStep(const StepRow &row, std::span<float> x, std::span<const float> eps);

} // namespace hb
