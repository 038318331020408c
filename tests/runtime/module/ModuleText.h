// Builds module files for tests: a small header to change, and the bytes around it.
#pragma once

#include <nlohmann/json.hpp>

#include <fstream>
#include <string>

namespace hb::test {

/// A module with one program `double` (y = 2x by kernel twice_0, run in a loop of run-time length) and no code.
inline nlohmann::json smallHeader() {
  return nlohmann::json::parse(R"({
    "format": 2, "compiler": "hbc test", "flags": [], "model": {"kind": "file", "path": "/nowhere", "class": "Double"},
    "scopes": [], "adapters": [], "targets": [{"name": "x86-64", "weights": [], "constants": {"offset": 0, "size": 64},
    "kernels": [{"symbol": "twice_0", "family": "map", "grid": 4, "scratch_bytes": 64, "flops": 8, "bytes": 64}],
    "code": [],
    "programs": [{"name": "double", "arena_bytes": 192, "lower_bound_bytes": 96,
      "inputs": [{"name": "x", "dtype": "F32", "shape": [8]}, {"name": "count", "dtype": "I64", "shape": []}, {"name": "ids", "dtype": "I64", "shape": [2], "range": [0, 5]}],
      "outputs": [{"name": "y", "dtype": "F32", "shape": [8]}],
      "commands": [["copy", ["i", 0], ["a", 0], 32], ["repeat", ["i", 1], 10, ["a", 128], [["launch", 0, [["a", 0], ["a", 64]]], ["copy", ["a", 64], ["a", 0], 32]]], ["copy", ["a", 0], ["o", 0], 32]]}]}]
  })");
}

/// Length, header, padding to 64, blobs.
inline std::string moduleBytes(const std::string &header, const std::string &blobs = std::string(64, '\0')) {
  uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char *>(&length), 8);
  bytes += header;
  bytes.resize((bytes.size() + 63) / 64 * 64);
  return bytes + blobs;
}

inline void writeBytes(const std::string &path, const std::string &bytes) { std::ofstream(path, std::ios::binary) << bytes; }

} // namespace hb::test
