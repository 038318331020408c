// CLIP's byte-pair encoder: prompt text to token ids, as transformers' CLIPTokenizer (5.x) makes them.
//
// Public sources: Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword units" (2016), for the encoding;
// Radford et al., "Learning transferable visual models from natural language supervision" (2021), for CLIP's use of it; the tokenizers
// library's documentation for the order of normalising, cutting and merging.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hb {

/// The texts of a tokenizer folder; the last two files are optional.
struct ClipTokenizerFiles {
  std::string where; ///< the folder's name, for messages
  std::string vocab; ///< vocab.json
  std::string merges; ///< merges.txt
  std::optional<std::string> config; ///< tokenizer_config.json
  std::optional<std::string> specials; ///< special_tokens_map.json
};

class ClipTokenizer {
public:
  /// Reads a folder. Errors: HB0902, HB0632 – HB0638, all "bad file".
  static ClipTokenizer read(const std::string &folder);
  /// The same from texts that are already in memory.
  static ClipTokenizer parse(const ClipTokenizerFiles &files);
  /// The files of a folder, for whoever wants to keep them (in a compiled module, say).
  static ClipTokenizerFiles readFiles(const std::string &folder);

  /// Start token, pieces of the text, end token; not truncated. Errors: HB0601, HB0602 (exit code "usage").
  std::vector<int32_t> encode(std::string_view text) const;
  /// The same in exactly `length` tokens (modelMaxLength() if 0): cut so that the end token stays, or filled with the padding token.
  /// length ≥ 2.
  std::vector<int32_t> encodePadded(std::string_view text, int64_t length = 0) const;

  int64_t modelMaxLength() const { return modelMaxLength_; } ///< 77 for CLIP
  int32_t startId() const { return startId_; }
  int32_t endId() const { return endId_; }
  int32_t padId() const { return padId_; }
  /// Largest id that can come out; the text encoder's vocabulary must be larger.
  int32_t largestId() const { return largestId_; }

private:
  struct Special {
    std::u32string content;
    int32_t id;
  };
  struct Merge {
    int32_t rank, result;
  };

  std::unordered_map<std::string, int32_t> readVocabulary(const ClipTokenizerFiles &files);
  void readMerges(const ClipTokenizerFiles &files, const std::unordered_map<std::string, int32_t> &vocabulary);
  void readSpecials(const ClipTokenizerFiles &files, const std::unordered_map<std::string, int32_t> &vocabulary);
  void appendText(std::u32string_view text, std::vector<int32_t> &ids) const;
  void appendNormalised(std::u32string_view text, std::vector<int32_t> &ids) const;
  void appendPiece(std::u32string_view piece, std::vector<int32_t> &ids) const;
  template <typename Rest>
  static void cutSpecials(std::u32string_view text, const std::vector<Special> &specials, std::vector<int32_t> &ids, Rest rest);

  std::array<int32_t, 256> byteId_, lastByteId_; ///< id of a byte's stand-in, inside and at the end of a piece
  std::unordered_map<uint64_t, Merge> merges_; ///< key: left id in the high half, right id in the low half
  std::vector<Special> rawSpecials_, normalisedSpecials_; ///< cut out before and after normalising, longest first
  int32_t startId_ = 0, endId_ = 0, padId_ = 0, unknownId_ = 0, largestId_ = 0;
  int64_t modelMaxLength_ = 77;
};

} // namespace hb
