#include "runtime/pipeline/ClipTokenizer.h"

#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/pipeline/SettingsFile.h"
#include "runtime/pipeline/Unicode.h"

#include <algorithm>
#include <queue>
#include <tuple>

namespace hb {
namespace {

constexpr int64_t kLargestId = (int64_t(1) << 24) - 1; // 300 times the vocabulary of CLIP
constexpr std::string_view kEndOfPiece = "</w>";

uint64_t pairKey(int32_t left, int32_t right) { return uint64_t(uint32_t(left)) << 32 | uint32_t(right); }

/// The printable character that stands for a byte in vocab.json: the byte itself where it is printable in Latin-1, else 256, 257, … in
/// the order of the bytes (public: OpenAI's GPT-2 encoder).
std::array<std::string, 256> byteStandIns() {
  std::array<std::string, 256> names;
  char32_t next = 256;
  for (char32_t byte = 0; byte < 256; ++byte) {
    bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    names[byte] = unicode::encode(std::u32string(1, itself ? byte : next++));
  }
  return names;
}

/// Normal form C and lower case. The library also collapses white space here; as white space never becomes part of a piece, that shows
/// nowhere.
std::u32string normalised(std::u32string_view text) { return unicode::lowerCharacters(unicode::nfc(text)); }

/// A special token as the two config files spell it: a text, or an object with "content" and "normalized".
struct SpecialSpelling {
  std::string content;
  bool normalised = false;
};

std::optional<SpecialSpelling> spelling(const Settings &settings, const std::string &key, const nlohmann::json &value, const char *entry) {
  if (value.is_null())
    return std::nullopt;
  if (value.is_string())
    return SpecialSpelling{value.get<std::string>(), false};
  std::string expected = std::string(entry) + " as a text, or an object with a text \"content\"";
  if (!value.is_object() || !value.contains("content") || !value["content"].is_string())
    settings.wrongValue(key, expected);
  SpecialSpelling result{value["content"].get<std::string>(), false};
  for (const char *flag : {"normalized", "single_word"})
    if (value.contains(flag) && !value[flag].is_boolean())
      settings.wrongValue(key, expected + " and flags that are true or false");
  result.normalised = value.value("normalized", false);
  // lstrip and rstrip swallow white space around the token, which is dropped anyway; single_word would keep tokens inside words.
  if (value.value("single_word", false))
    settings.unsupported(key, "\"single_word\": false");
  return result;
}

/// Position behind the piece that starts at `at`: a contraction, a run of letters, one number character, or a run of others.
size_t pieceEnd(std::u32string_view text, size_t at) {
  constexpr std::u32string_view kContractions[] = {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};
  for (std::u32string_view one : kContractions)
    if (text.substr(at).starts_with(one))
      return at + one.size();
  auto isSymbol = [](char32_t c) { return !unicode::isSpace(c) && !unicode::isLetter(c) && !unicode::isNumber(c); };
  if (unicode::isNumber(text[at]))
    return at + 1;
  bool letters = unicode::isLetter(text[at]);
  size_t end = at + 1;
  while (end < text.size() && (letters ? unicode::isLetter(text[end]) : isSymbol(text[end])))
    ++end;
  return end;
}

} // namespace

//===-- Reading the folder -------------------------------------------------------------------------------------------------------------===//

ClipTokenizerFiles ClipTokenizer::readFiles(const std::string &folder) {
  return {folder, readTextFile(folder + "/vocab.json"), readTextFile(folder + "/merges.txt"),
          readIfPresent(folder + "/tokenizer_config.json"), readIfPresent(folder + "/special_tokens_map.json")};
}

ClipTokenizer ClipTokenizer::read(const std::string &folder) { return parse(readFiles(folder)); }

ClipTokenizer ClipTokenizer::parse(const ClipTokenizerFiles &files) {
  ClipTokenizer tokenizer;
  std::unordered_map<std::string, int32_t> vocabulary = tokenizer.readVocabulary(files);
  tokenizer.readMerges(files, vocabulary);
  tokenizer.readSpecials(files, vocabulary);
  // Bytes without a piece of their own become the unknown token.
  std::array<std::string, 256> standIns = byteStandIns();
  auto idOf = [&](const std::string &piece) {
    auto it = vocabulary.find(piece);
    return it == vocabulary.end() ? tokenizer.unknownId_ : it->second;
  };
  for (size_t byte = 0; byte < 256; ++byte) {
    tokenizer.byteId_[byte] = idOf(standIns[byte]);
    tokenizer.lastByteId_[byte] = idOf(standIns[byte] + std::string(kEndOfPiece));
  }
  return tokenizer;
}

std::unordered_map<std::string, int32_t> ClipTokenizer::readVocabulary(const ClipTokenizerFiles &files) {
  std::string where = files.where + "/vocab.json";
  nlohmann::json object = parseJson(files.vocab, where, kSettingsErrors);
  if (!object.is_object())
    throw Error(632, where, "a JSON object of pieces and ids", "something else", "the file may be cut off; get it again");
  std::unordered_map<std::string, int32_t> vocabulary;
  std::vector<bool> taken;
  for (const auto &[piece, value] : object.items()) {
    // A negative or huge id would address outside the embedding table; a doubled one makes pieces indistinguishable.
    bool sound = value.is_number_integer() && value >= 0 && value <= kLargestId;
    if (!sound)
      throw Error(636, where, "whole ids from 0 to " + std::to_string(kLargestId), "another id for the piece \"" + printable(piece, 40) + "\"", "get it again");
    size_t id = value.get<size_t>();
    if (id >= taken.size())
      taken.resize(id + 1);
    if (taken[id])
      throw Error(636, where, "an id for one piece only", "id " + std::to_string(id) + " twice", "get it again");
    taken[id] = true;
    vocabulary.emplace(piece, int32_t(id));
    largestId_ = std::max(largestId_, int32_t(id));
  }
  if (vocabulary.empty())
    throw Error(636, where, "at least one piece", "none", "get it again");
  return vocabulary;
}

void ClipTokenizer::readMerges(const ClipTokenizerFiles &files, const std::unordered_map<std::string, int32_t> &vocabulary) {
  std::string_view rest = files.merges;
  int32_t line = 0, rank = 0;
  while (!rest.empty()) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view rule = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++line;
    if (rule.ends_with('\r'))
      rule.remove_suffix(1);
    // The first line names the format's version. Other rules may begin with # as well: it is a piece like any other.
    if (rule.empty() || (line == 1 && rule.starts_with("#version")))
      continue;
    auto fail = [&](const std::string &found) {
      throw Error(637, files.where + "/merges.txt, line " + std::to_string(line), "two pieces of vocab.json that make a third", found, "get the folder again");
    };
    size_t blank = rule.find(' ');
    if (blank == 0 || blank == std::string_view::npos || blank + 1 == rule.size() || rule.find(' ', blank + 1) != std::string_view::npos)
      fail("another form of line");
    std::string left(rule.substr(0, blank)), right(rule.substr(blank + 1));
    auto a = vocabulary.find(left), b = vocabulary.find(right), result = vocabulary.find(left + right);
    if (a == vocabulary.end() || b == vocabulary.end() || result == vocabulary.end())
      fail("a piece that is not in vocab.json");
    // Of a rule that stands there twice, the library keeps the later rank.
    merges_[pairKey(a->second, b->second)] = {rank++, result->second};
  }
}

void ClipTokenizer::readSpecials(const ClipTokenizerFiles &files, const std::unordered_map<std::string, int32_t> &vocabulary) {
  Settings config = Settings::parse(files.config.value_or("{}"), files.where + "/tokenizer_config.json");
  Settings map = Settings::parse(files.specials.value_or("{}"), files.where + "/special_tokens_map.json");
  config.requireText("tokenizer_class", "CLIPTokenizer", {"CLIPTokenizer", "CLIPTokenizerFast"});
  // Where no limit is set, the library writes a number with 31 digits.
  double limit = config.number("model_max_length", 77, 2, 1e38);
  modelMaxLength_ = limit > 65536 ? 77 : int64_t(limit);

  // The library's own list of added tokens, where there is one: ids and flags by content.
  struct Added {
    int32_t id;
    bool normalised;
  };
  std::unordered_map<std::string, Added> added;
  const nlohmann::json &decoder = config.raw("added_tokens_decoder");
  if (!decoder.is_null() && !decoder.is_object())
    config.wrongValue("added_tokens_decoder", "an object of ids and tokens");
  for (const auto &[key, value] : decoder.items()) {
    bool digits = !key.empty() && key.size() <= 8 && key.find_first_not_of("0123456789") == std::string::npos;
    int64_t id = digits ? std::stoll(key) : -1;
    std::optional<SpecialSpelling> token = spelling(config, "added_tokens_decoder", value, "a token");
    if (id < 0 || id > kLargestId || !token)
      config.wrongValue("added_tokens_decoder", "an object of ids from 0 to " + std::to_string(kLargestId) + " and tokens");
    added[token->content] = {int32_t(id), token->normalised};
  }

  struct Role {
    const char *key;
    std::string_view fallback;
    int32_t *id;
  };
  const Role roles[] = {{"bos_token", "<|startoftext|>", &startId_}, {"eos_token", "<|endoftext|>", &endId_},
                        {"unk_token", "<|endoftext|>", &unknownId_}, {"pad_token", "<|endoftext|>", &padId_}};
  for (const Role &role : roles) {
    std::optional<SpecialSpelling> token = spelling(config, role.key, config.raw(role.key), "the token");
    // tokenizer_config.json outranks the older special_tokens_map.json.
    if (!token)
      token = spelling(map, role.key, map.raw(role.key), "the token");
    if (!token)
      token = SpecialSpelling{std::string(role.fallback), false};
    auto word = vocabulary.find(token->content);
    auto known = added.find(token->content);
    if (known != added.end())
      *role.id = known->second.id;
    else if (word != vocabulary.end())
      added[token->content] = {*role.id = word->second, token->normalised};
    else
      throw Error(638, files.where, std::string(role.key) + " in the vocabulary", "no \"" + printable(token->content, 40) + "\" there", "get the folder again");
  }

  for (const auto &[content, token] : added) {
    std::u32string text;
    if (content.empty() || !unicode::decode(content, text))
      throw Error(638, files.where, "special tokens with a text", "an empty one", "get the folder again");
    largestId_ = std::max(largestId_, token.id);
    if (token.normalised)
      normalisedSpecials_.push_back({normalised(text), token.id});
    else
      rawSpecials_.push_back({text, token.id});
  }
  // Where several special tokens match at one place, the longest is meant.
  for (auto *list : {&rawSpecials_, &normalisedSpecials_})
    std::sort(list->begin(), list->end(), [](const Special &a, const Special &b) {
      return std::make_tuple(b.content.size(), a.content) < std::make_tuple(a.content.size(), b.content);
    });
}

//===-- Encoding -----------------------------------------------------------------------------------------------------------------------===//

/// Emits the ids of special tokens found in the text, left to right, and hands what lies between them to `rest`.
template <typename Rest>
void ClipTokenizer::cutSpecials(std::u32string_view text, const std::vector<Special> &specials, std::vector<int32_t> &ids, Rest rest) {
  size_t start = 0, at = 0;
  while (at < text.size()) {
    auto match = std::find_if(specials.begin(), specials.end(), [&](const Special &one) { return text.substr(at).starts_with(one.content); });
    if (match == specials.end()) {
      ++at;
      continue;
    }
    if (at > start)
      rest(text.substr(start, at - start));
    ids.push_back(match->id);
    start = at += match->content.size();
  }
  if (at > start)
    rest(text.substr(start));
}

std::vector<int32_t> ClipTokenizer::encode(std::string_view text) const {
  std::u32string characters = unicode::decodeText(text, "prompt");
  std::vector<int32_t> ids{startId_};
  cutSpecials(characters, rawSpecials_, ids, [&](std::u32string_view part) { appendText(part, ids); });
  ids.push_back(endId_);
  return ids;
}

std::vector<int32_t> ClipTokenizer::encodePadded(std::string_view text, int64_t length) const {
  size_t wanted = size_t(length == 0 ? modelMaxLength_ : length);
  std::vector<int32_t> ids = encode(text);
  // Cutting takes the end of the text, never the end token: text encoders pool at its position.
  if (ids.size() > wanted) {
    ids.resize(wanted);
    ids.back() = endId_;
  }
  ids.resize(wanted, padId_);
  return ids;
}

void ClipTokenizer::appendText(std::u32string_view text, std::vector<int32_t> &ids) const {
  cutSpecials(normalised(text), normalisedSpecials_, ids, [&](std::u32string_view part) { appendNormalised(part, ids); });
}

void ClipTokenizer::appendNormalised(std::u32string_view text, std::vector<int32_t> &ids) const {
  for (size_t at = 0; at < text.size();) {
    if (unicode::isSpace(text[at])) {
      ++at;
      continue;
    }
    size_t end = pieceEnd(text, at);
    appendPiece(text.substr(at, end - at), ids);
    at = end;
  }
}

/// Byte-pair merging: of all neighbours that a rule joins, the pair of the lowest rank, and of equals the leftmost, until none is left.
/// A queue holds the candidates; entries whose symbols have changed meanwhile are recognised by their result and dropped, so a piece of
/// n bytes costs n log n.
void ClipTokenizer::appendPiece(std::u32string_view piece, std::vector<int32_t> &ids) const {
  std::string bytes = unicode::encode(piece);
  // A doubly linked list in an array: merging unlinks the right one of two neighbours, places never move.
  struct Symbol {
    int32_t id, previous, next; ///< −1: none; id −1: merged into its left neighbour
  };
  int32_t count = int32_t(bytes.size());
  std::vector<Symbol> symbols;
  for (int32_t i = 0; i < count; ++i) {
    auto byte = uint8_t(bytes[size_t(i)]);
    symbols.push_back({i + 1 == count ? lastByteId_[byte] : byteId_[byte], i - 1, i + 1 == count ? -1 : i + 1});
  }

  using Candidate = std::tuple<int32_t, int32_t, int32_t>; // rank, place of the left symbol, result
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  auto mergeAt = [&](int32_t left) -> const Merge * {
    if (left < 0 || symbols[size_t(left)].id < 0 || symbols[size_t(left)].next < 0)
      return nullptr;
    auto it = merges_.find(pairKey(symbols[size_t(left)].id, symbols[size_t(symbols[size_t(left)].next)].id));
    return it == merges_.end() ? nullptr : &it->second;
  };
  auto offer = [&](int32_t left) {
    if (const Merge *merge = mergeAt(left))
      queue.emplace(merge->rank, left, merge->result);
  };
  for (int32_t i = 0; i < count; ++i)
    offer(i);
  while (!queue.empty()) {
    auto [rank, left, result] = queue.top();
    queue.pop();
    const Merge *merge = mergeAt(left);
    if (!merge || merge->rank != rank)
      continue;
    Symbol &symbol = symbols[size_t(left)];
    Symbol &gone = symbols[size_t(symbol.next)];
    symbol.id = result;
    symbol.next = gone.next;
    gone.id = -1;
    if (symbol.next >= 0)
      symbols[size_t(symbol.next)].previous = left;
    offer(symbol.previous);
    offer(left);
  }
  for (const Symbol &symbol : symbols)
    if (symbol.id >= 0)
      ids.push_back(symbol.id);
}

} // namespace hb
