// Short ways to run PTX in tests.
#pragma once

#include "runtime/device/cuda/sim/Simulator.h"

#include <cstring>
#include <string>
#include <vector>

namespace hb::ptx::test {

/// A module with one entry `k` of so many 64-bit parameters p0, p1, …
inline std::string module(const std::string &body, unsigned parameters = 2, const std::string &declarations = "") {
  std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n" + declarations + "\n.visible .entry k(";
  for (unsigned p = 0; p < parameters; ++p)
    text += (p ? ", .param .u64 p" : ".param .u64 p") + std::to_string(p);
  return text + ")\n{\n" + body + "\nret;\n}\n";
}

/// Launches entry `k` of a text with pointers as parameters.
struct Run {
  Dim3 grid{1}, block{32};
  size_t dynamicShared = 0;
  CheckOptions options;
  std::string entry = "k";

  template <class... P> LaunchReport operator()(Simulator &simulator, const std::string &text, P *...pointers) const {
    std::vector<uint64_t> values{reinterpret_cast<uint64_t>(pointers)...};
    return simulator.launch(*Code::parse(text), entry, grid, block, dynamicShared, std::as_bytes(std::span<const uint64_t>(values)), options);
  }
};

/// Checks and instructions of a report, one a line.
inline std::string listed(const LaunchReport &report) {
  std::string text;
  for (const Finding &finding : report.findings)
    text += finding.check + " | " + finding.instruction + " | " + finding.what + "\n";
  return text;
}
inline bool found(const LaunchReport &report, const std::string &check) {
  for (const Finding &finding : report.findings)
    if (finding.check == check)
      return true;
  return false;
}

inline std::string replaced(std::string text, const std::string &from, const std::string &to, bool all = false) {
  size_t at = text.find(from);
  if (at == text.npos)
    return "no " + from; // not PTX: the test that asked for it fails
  do
    text.replace(at, from.size(), to);
  while (all && (at = text.find(from, at + to.size())) != text.npos);
  return text;
}

} // namespace hb::ptx::test
