// What the rewards of a pipeline's program read beside the picture: texts as ids, masks, reference pictures.
#pragma once

#include "runtime/exec/Session.h"
#include "runtime/formats/Image.h"
#include "runtime/pipeline/BertTokenizer.h"
#include "runtime/pipeline/ClipTokenizer.h"

#include <optional>
#include <string>
#include <vector>

namespace hb {

/// One input's row for one record; one of the two is used, as the input's type says.
struct InputRow {
  std::string input;
  std::vector<int64_t> ids;
  std::vector<float> values;
};

/// The rewards of an entry, found by its outputs "reward.<name>" and its inputs "<name>.input_ids", ".attention_mask", ".reference", ".weight".
class RewardInputs {
public:
  /// Tokenizers come from the module ("files" of the reward's name) or else from the reward model's folder. HB0636 – HB0638, HB0644.
  RewardInputs(Session &session, const Program &program);

  const std::vector<std::string> &names() const { return names_; }
  /// The inputs that rows() fills.
  std::vector<std::string> inputs() const;
  /// The row of every text, mask and reference input. The reference is squashed as the training script does it, in 0…1 before the tower's
  /// own normalisation. HB0601, HB0602, HB0605.
  std::vector<InputRow> rows(const std::string &text, const Image &reference) const;
  /// True when a reward compares with the reference picture.
  bool readsReference() const;

private:
  struct Text {
    std::string reward;
    int64_t length;
    bool masked;
    std::optional<BertTokenizer> bert;
    std::optional<ClipTokenizer> clip;
  };
  struct Reference {
    std::string input;
    int64_t side;
  };
  Text textOf(Session &session, const std::string &reward, int64_t length, bool masked) const;

  std::vector<std::string> names_;
  std::vector<Text> texts_;
  std::vector<Reference> references_;
};

/// An input of a program; null when there is none of that name.
const TensorSpec *findInput(const Program &program, const std::string &name);

} // namespace hb
