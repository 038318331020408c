// BERT's word pieces and BLIP's caption clean-up: what the BLIP-2 rewards read.
//
// Public sources: Devlin et al., "BERT" (2019), and its basic and word-piece tokenizers; LAVIS' BlipCaptionProcessor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hb {

/// The texts of a tokenizer folder; the configuration is optional.
struct BertTokenizerFiles {
  std::string where;                 ///< the folder's name, for messages
  std::string vocab;                 ///< vocab.txt
  std::optional<std::string> config; ///< tokenizer_config.json
};

/// LAVIS' caption clean-up: lower case, the characters . ! " ( ) * # : ; ~ to spaces, runs of white space to one space, trimmed, at most
/// maxWords words. Errors: HB0601, HB0602.
std::string blipCaption(std::string_view text, int64_t maxWords = 50);

class BertTokenizer {
public:
  /// Reads a folder with vocab.txt. Errors: HB0902, HB0632 – HB0638, all "bad file".
  static BertTokenizer read(const std::string &folder);
  static BertTokenizer parse(const BertTokenizerFiles &files);
  static BertTokenizerFiles readFiles(const std::string &folder);

  /// [CLS], pieces, [SEP]. With maxLength > 0 at most so many ids, [SEP] kept (maxLength ≥ 2). Errors: HB0601, HB0602.
  std::vector<int32_t> encode(std::string_view text, int64_t maxLength = 0) const;
  /// The same, filled up with [PAD] to exactly `length`.
  std::vector<int32_t> encodePadded(std::string_view text, int64_t length) const;

  int32_t classId() const { return classId_; }
  int32_t separatorId() const { return separatorId_; }
  int32_t padId() const { return padId_; }
  /// Largest id that can come out.
  int32_t largestId() const { return int32_t(pieces_.size()) - 1; }

private:
  void appendText(std::u32string_view text, std::vector<int32_t> &ids) const;
  void appendWord(std::u32string_view word, std::vector<int32_t> &ids) const;

  std::unordered_map<std::string, int32_t> pieces_;
  std::vector<std::pair<std::u32string, int32_t>> specials_; ///< cut out of the text before anything else
  int32_t padId_ = 0, unknownId_ = 0, classId_ = 0, separatorId_ = 0;
  bool lowerCase_ = true, stripAccents_ = true, splitChinese_ = true;
};

} // namespace hb
