// What conditions the denoiser: texts through both text encoders, a reference picture through the image encoder.
#pragma once

#include "runtime/exec/Session.h"
#include "runtime/formats/Image.h"
#include "runtime/pipeline/ClipTokenizer.h"

#include <optional>
#include <string>
#include <vector>

namespace hb {

/// The encoders of a pipeline module with the tokenizers and preprocessing that hbc stored in it.
class Conditioning {
public:
  /// The encodings of one text: `context` [T, D] of both encoders side by side, `pooled` [P] of the second.
  struct Text {
    std::vector<float> context, pooled;
  };

  /// HB0640 without the tokenizers of a pipeline; HB0636 – HB0638.
  explicit Conditioning(Session &session);

  /// HB0601, HB0602 for the text.
  Text encode(const std::string &text);
  /// The embedding of a picture after the pipeline's own preprocessing (generation). HB0641 without image encoder or feature extractor.
  std::vector<float> embedReference(const Image &reference);
  /// The embedding of a picture after the training script's squash resize. HB0641 without an image encoder.
  std::vector<float> embedSquashed(const Image &reference);
  bool hasImageEncoder() const;
  /// The encoders' programs that the module has.
  std::vector<const Program *> programs() const;
  /// The whole text of a pipeline's file, "folder/name"; empty when the module holds none.
  std::string setting(const std::string &name) const;
  /// True when no negative prompt means zeros rather than the encoding of "".
  bool zeroWithoutNegative() const;

private:
  /// Runs an encoder on one row, repeated to the batch it was compiled for; every output row is then the same.
  template <typename Element>
  ProgramTensors runEncoder(const std::string &entry, const std::string &input, const std::vector<Element> &row);
  std::vector<float> embedPixels(const std::string &entry, const std::vector<float> &pixels);
  std::string entryName(const std::string &component, const std::string &entry) const;

  Session &session_;
  std::vector<ClipTokenizer> tokenizers_;
};

/// An input or output of a program by name. HB0640 (a module of another version) when there is none.
const TensorSpec &findSpec(const std::vector<TensorSpec> &specs, const std::string &name, const std::string &where);

} // namespace hb
