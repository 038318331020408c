// From a prompt and a reference picture to pixels: what surrounds the compiled programs of a pipeline module.
//
// The module's `generate` entry is the sampling loop and the decoder; this class prepares what it reads (conditioning, noise,
// schedule) with the other entries, the tokenizers and the preprocessing that hbc stored in the module.
#pragma once

#include "runtime/exec/Session.h"
#include "runtime/formats/Image.h"
#include "runtime/pipeline/ClipTokenizer.h"
#include "runtime/pipeline/Preprocess.h"
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
  struct Text {
    std::vector<float> context, pooled;
  };
  Text encode(const std::string &text);
  /// Runs an encoder on one row, repeated to the batch it was compiled for; every output row is then the same.
  template <typename Element>
  ProgramTensors runEncoder(const std::string &entry, const std::string &input, const std::vector<Element> &row);
  std::vector<float> embedReference(const Image &reference);
  std::string entryName(const std::string &component, const std::string &entry) const;
  std::string setting(const std::string &name) const;

  Session &session_;
  const Program &program_;
  std::vector<int64_t> imageShape_;
  ProgramTensors tensors_;
  std::vector<ClipTokenizer> tokenizers_;
  float sigma_ = 1;
  bool cudaNoise_ = false;
};

} // namespace hb
