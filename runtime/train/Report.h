// report.html: a run on one page that needs nothing else.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace hb {

/// The page: figures, curves of rewards, loss, gradient norm, rate and memory as SVG, at most twelve sample grids of `samplesFolder` spread
/// over the run, and the configuration. `history` are the lines of metrics.jsonl.
std::string reportPage(const std::vector<nlohmann::json> &history, const std::string &samplesFolder, const std::string &config);

} // namespace hb
