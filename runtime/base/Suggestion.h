// "Did you mean …?" for names that are not known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hb {

/// The candidate with the smallest edit distance (insertions, deletions, substitutions, exchanged neighbours), if it is near enough to be
/// a misspelling; empty otherwise.
std::string nearestName(std::string_view name, const std::vector<std::string> &candidates);

} // namespace hb
