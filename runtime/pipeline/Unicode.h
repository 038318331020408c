// The little of Unicode that tokenizers need: UTF-8, normal forms, lower case, character classes. Tables come from utf8proc.
#pragma once

#include <string>
#include <string_view>

namespace hb::unicode {

/// Longest text that is tokenized, in bytes: the encoders see 77 tokens, so this only bounds work and memory.
constexpr size_t kLongestText = 65536;

/// Code points of a text. Errors: HB0601 (not UTF-8, with the byte's place), HB0602 (longer than kLongestText).
std::u32string decodeText(std::string_view text, std::string_view where);
/// Code points of UTF-8 of any length; false if it is none.
bool decode(std::string_view text, std::u32string &out);
std::string encode(std::u32string_view text);

/// Normal forms C (composed) and D (decomposed).
std::u32string nfc(std::u32string_view text);
std::u32string nfd(std::u32string_view text);

/// Lower case of every character by itself, as the tokenizers library does it: İ becomes two characters, Σ always becomes σ.
std::u32string lowerCharacters(std::u32string_view text);
/// Lower case of a text, as Python's str.lower: also Σ at the end of a word becomes ς (Unicode chapter 3.13, "Final_Sigma").
std::u32string lowerText(std::u32string_view text);

bool isLetter(char32_t c);      ///< categories L*
bool isNumber(char32_t c);      ///< categories N*
bool isOther(char32_t c);       ///< categories C*: control, format, surrogate, private, unassigned
bool isPunctuation(char32_t c); ///< categories P*
bool isAccent(char32_t c);      ///< category Mn
bool isSpace(char32_t c);       ///< property White_Space
bool isPythonSpace(char32_t c); ///< what Python's str.isspace says: White_Space and the four information separators

} // namespace hb::unicode
