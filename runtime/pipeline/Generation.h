// From a prompt and a reference picture to pixels: what surrounds the compiled programs of a pipeline module.
//
// The module's `generate` entry is the sampling loop and the decoder; this class prepares what it reads (conditioning, noise,
// schedule) with the other entries, the tokenizers and the preprocessing that hbc stored in the module.
#pragma once

#include "runtime/pipeline/Conditioning.h"
#include "runtime/pipeline/Scheduler.h"

#include <optional>
#include <string>
#include <vector>

namespace hb {

struct GenerationRequest {
  std::string prompt;
  std::optional<std::string> negative;   ///< absent: the unconditional half is zeros (or the encoding of "", as the pipeline says)
  std::optional<Image> reference;        ///< present: its embedding is the pooled condition (Hummingbird)
  int64_t steps = 25;
  float guidance = 5.0f;
  std::optional<SamplingMethod> method;  ///< absent: the scheduler of the pipeline
  bool cudaNoise = false;                ///< the stream of torch's CUDA generator instead of the CPU's
};

/// One round: the compiled batch of pictures.
struct GenerationResult {
  std::vector<float> latents;          ///< [B, C, H, W], before the division by the scaling factor
  std::vector<int64_t> latentShape;
  std::vector<Image> images;           ///< rounded half to even
};

class Generation {
public:
  /// HB0610 when the module has no `generate` entry; tokenizer and scheduler errors (HB0603 – HB0638).
  explicit Generation(Session &session);

  int64_t batch() const { return program_.outputs.front().shape[0]; }
  int64_t height() const { return imageShape_[2]; }
  int64_t width() const { return imageShape_[3]; }
  SamplingMethod defaultMethod() const;

  /// Runs the encoders and builds tables; everything that does not depend on the seed.
  void prepare(const GenerationRequest &request);
  /// Draws one round of noise from `seed` and runs the loop. Nothing when `onStep` stopped it.
  std::optional<GenerationResult> round(uint64_t seed, Executor::StepCallback onStep);

private:
  Session &session_;
  const Program &program_;
  std::vector<int64_t> imageShape_;
  ProgramTensors tensors_;
  Conditioning conditioning_;
  float sigma_ = 1;
  bool cudaNoise_ = false;
};

} // namespace hb
