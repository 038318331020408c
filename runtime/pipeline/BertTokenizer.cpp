#include "runtime/pipeline/BertTokenizer.h"

#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/pipeline/SettingsFile.h"
#include "runtime/pipeline/Unicode.h"

#include <algorithm>

namespace hb {
namespace {

/// Ideographs that BERT makes words of their own: the CJK blocks, not kana or Hangul.
bool isChinese(char32_t c) {
  constexpr char32_t kBlocks[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                                     {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks), [&](const char32_t(&block)[2]) { return c >= block[0] && c <= block[1]; });
}

/// Unicode's punctuation and everything of ASCII that is neither letter, digit, space nor control: $, +, <, =, >, ^, `, |, ~ count too.
bool isWordPunctuation(char32_t c) {
  bool ascii = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return ascii || unicode::isPunctuation(c);
}

/// Without control characters, with plain spaces, composed.
std::u32string cleaned(std::u32string_view text, bool splitChinese) {
  std::u32string out;
  for (char32_t c : text) {
    // Tab and line ends are control characters too, but count as white space.
    if (c == '\t' || c == '\n' || c == '\r')
      out += U' ';
    else if (c == 0xFFFD || unicode::isOther(c))
      continue;
    else if (splitChinese && isChinese(c))
      (((out += U' ') += c) += U' ');
    else
      out += unicode::isPythonSpace(c) ? U' ' : c;
  }
  return unicode::nfc(out);
}

} // namespace

std::string blipCaption(std::string_view text, int64_t maxWords) {
  std::u32string characters = unicode::lowerText(unicode::decodeText(text, "caption"));
  for (char32_t &c : characters)
    if (std::u32string_view(U".!\"()*#:;~").find(c) != std::u32string_view::npos)
      c = U' ';
  // Only runs of two and more become a space: a single tab stays a tab, as published.
  std::u32string collapsed;
  for (size_t i = 0; i < characters.size();) {
    size_t end = i;
    while (end < characters.size() && unicode::isPythonSpace(characters[end]))
      ++end;
    collapsed += end - i >= 2 ? U' ' : characters[i];
    i = std::max(end, i + 1);
  }
  while (collapsed.ends_with(U'\n'))
    collapsed.pop_back();
  size_t first = std::min(collapsed.find_first_not_of(U' '), collapsed.size());
  collapsed.erase(0, first);
  while (collapsed.ends_with(U' '))
    collapsed.pop_back();
  size_t at = 0;
  for (int64_t word = 0; word < maxWords && at != std::u32string::npos; ++word)
    at = collapsed.find(U' ', word == 0 ? 0 : at + 1);
  return unicode::encode(at == std::u32string::npos ? collapsed : collapsed.substr(0, at));
}

BertTokenizerFiles BertTokenizer::readFiles(const std::string &folder) {
  return {folder, readTextFile(folder + "/vocab.txt"), readIfPresent(folder + "/tokenizer_config.json")};
}

BertTokenizer BertTokenizer::read(const std::string &folder) { return parse(readFiles(folder)); }

BertTokenizer BertTokenizer::parse(const BertTokenizerFiles &files) {
  BertTokenizer tokenizer;
  Settings config = Settings::parse(files.config.value_or("{}"), files.where + "/tokenizer_config.json");
  config.requireText("tokenizer_class", "BertTokenizer", {"BertTokenizer", "BertTokenizerFast", "BlipTokenizer"});
  // The library strips accents exactly when it lowers the case, unless the file says otherwise.
  tokenizer.lowerCase_ = config.flag("do_lower_case", true);
  tokenizer.stripAccents_ = config.flag("strip_accents", tokenizer.lowerCase_);
  tokenizer.splitChinese_ = config.flag("tokenize_chinese_chars", true);

  // A piece's id is its line, from 0.
  std::string where = files.where + "/vocab.txt";
  std::string_view rest = files.vocab;
  std::u32string unused;
  while (!rest.empty()) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view piece = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (piece.ends_with('\r'))
      piece.remove_suffix(1);
    std::string line = where + ", line " + std::to_string(tokenizer.pieces_.size() + 1);
    if (!unicode::decode(piece, unused))
      throw Error(636, line, "UTF-8", "other bytes", "get the file again");
    if (!tokenizer.pieces_.emplace(piece, int32_t(tokenizer.pieces_.size())).second)
      throw Error(636, line, "a new piece", "\"" + printable(piece, 40) + "\" for the second time", "get the file again");
  }

  struct Role {
    const char *key;
    std::string_view fallback;
    int32_t *id;
  };
  int32_t maskId;
  const Role roles[] = {{"pad_token", "[PAD]", &tokenizer.padId_},
                        {"unk_token", "[UNK]", &tokenizer.unknownId_},
                        {"cls_token", "[CLS]", &tokenizer.classId_},
                        {"sep_token", "[SEP]", &tokenizer.separatorId_},
                        {"mask_token", "[MASK]", &maskId}};
  for (const Role &role : roles) {
    const nlohmann::json &value = config.raw(role.key);
    // Written as a text, or by newer libraries as an object with the text in "content".
    bool object = value.is_object() && value.contains("content") && value["content"].is_string();
    std::string content = object ? value["content"].get<std::string>() : config.text(role.key, role.fallback);
    auto it = tokenizer.pieces_.find(content);
    if (it == tokenizer.pieces_.end() || content.empty())
      throw Error(638, where, std::string(role.key) + " in the vocabulary", "no \"" + printable(content, 40) + "\" there", "get the file again");
    *role.id = it->second;
    std::u32string characters;
    unicode::decode(content, characters);
    tokenizer.specials_.emplace_back(characters, it->second);
  }
  return tokenizer;
}

std::vector<int32_t> BertTokenizer::encode(std::string_view text, int64_t maxLength) const {
  std::u32string characters = unicode::decodeText(text, "caption");
  std::vector<int32_t> ids{classId_};
  size_t start = 0, at = 0;
  while (at < characters.size()) {
    std::u32string_view ahead = std::u32string_view(characters).substr(at);
    auto match = std::find_if(specials_.begin(), specials_.end(), [&](const auto &one) { return ahead.starts_with(one.first); });
    if (match == specials_.end()) {
      ++at;
      continue;
    }
    appendText(std::u32string_view(characters).substr(start, at - start), ids);
    ids.push_back(match->second);
    start = at += match->first.size();
  }
  appendText(std::u32string_view(characters).substr(start), ids);
  // Truncation leaves room for the separator, so the end of a caption is always marked.
  if (maxLength > 0 && int64_t(ids.size()) > maxLength - 1)
    ids.resize(size_t(maxLength - 1));
  ids.push_back(separatorId_);
  return ids;
}

std::vector<int32_t> BertTokenizer::encodePadded(std::string_view text, int64_t length) const {
  std::vector<int32_t> ids = encode(text, length);
  ids.resize(size_t(length), padId_);
  return ids;
}

/// Words are what white space separates; each is put into lower case, loses its accents and is cut at punctuation.
void BertTokenizer::appendText(std::u32string_view text, std::vector<int32_t> &ids) const {
  std::u32string clean = cleaned(text, splitChinese_);
  if (lowerCase_)
    clean = unicode::lowerCharacters(clean);
  if (stripAccents_) {
    clean = unicode::nfd(clean);
    std::erase_if(clean, unicode::isAccent);
  }
  std::u32string word;
  auto flush = [&] {
    if (!word.empty())
      appendWord(word, ids);
    word.clear();
  };
  for (char32_t c : clean) {
    // A punctuation mark ends a word and is a word of its own.
    bool space = unicode::isPythonSpace(c), mark = isWordPunctuation(c);
    if (space || mark)
      flush();
    if (mark)
      appendWord(std::u32string(1, c), ids);
    else if (!space)
      word += c;
  }
  flush();
}

/// Greedy: the longest piece of the vocabulary that begins the rest of the word; pieces behind the first are written with ##. A word that
/// cannot be covered, or has more than 100 characters, is unknown as a whole.
void BertTokenizer::appendWord(std::u32string_view word, std::vector<int32_t> &ids) const {
  constexpr size_t kLongestWord = 100;
  std::vector<int32_t> found;
  size_t at = 0;
  while (at < word.size() && word.size() <= kLongestWord) {
    size_t length = word.size() - at;
    auto piece = pieces_.end();
    for (; length > 0; --length) {
      piece = pieces_.find((at ? "##" : "") + unicode::encode(word.substr(at, length)));
      if (piece != pieces_.end())
        break;
    }
    if (piece == pieces_.end())
      break;
    found.push_back(piece->second);
    at += length;
  }
  if (at == word.size())
    ids.insert(ids.end(), found.begin(), found.end());
  else
    ids.push_back(unknownId_);
}

} // namespace hb
