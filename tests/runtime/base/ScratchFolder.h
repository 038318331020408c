// A fresh folder for one test, removed with everything in it afterwards.
#pragma once

#include "runtime/base/Error.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

namespace hb::test {

class ScratchFolder {
public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hb-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ScratchFolder(const ScratchFolder &) = delete;
  ScratchFolder &operator=(const ScratchFolder &) = delete;
  ~ScratchFolder() { std::filesystem::remove_all(path_); }

  std::string path(const std::string &name = "") const { return name.empty() ? path_ : path_ + "/" + name; }
  /// Writes a file (and the folders above it) and gives its path.
  std::string write(const std::string &name, const std::string &contents) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << contents;
    return path(name);
  }
  size_t fileCount() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {})); }

private:
  std::string path_;
};

inline std::string contentsOf(const std::string &path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// Runs `action` and expects an Error with this number whose text holds every one of `words`.
inline void expectError(int number, const std::function<void()> &action, const std::vector<std::string> &words = {}) {
  try {
    action();
    ADD_FAILURE() << "no error where HB" << number << " was expected";
  } catch (const Error &error) {
    EXPECT_EQ(error.number(), number) << error.what();
    EXPECT_NE(findError(error.number()), nullptr) << "number without a row";
    for (const std::string &word : words)
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << "no \"" << word << "\" in: " << error.what();
  }
}

} // namespace hb::test
