// Reference tables for the pipeline's tests, and the check that every error test makes.
#pragma once

#include "runtime/base/Error.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <string>

namespace hb::test {

inline std::string dataPath(const std::string &name) { return std::string(HB_TEST_DATA) + "/" + name; }

/// A reference table; a missing one fails the test rather than leaving it empty.
inline nlohmann::json table(const std::string &name) {
  std::ifstream in(dataPath("data/" + name));
  nlohmann::json value = nlohmann::json::parse(in, nullptr, false);
  EXPECT_TRUE(value.is_object()) << name;
  return value;
}

/// One entry of a reference table, by value: a loop over part of a temporary would run over nothing. Never empty.
inline nlohmann::json rows(const std::string &name, const std::string &key) {
  nlohmann::json value = table(name)[key];
  EXPECT_FALSE(value.empty()) << name << " " << key;
  return value;
}

/// Runs `action` and expects it to throw this numbered error with this exit code, and with `word` in its text.
template <typename Action> void expectError(int number, ExitCode exitCode, const std::string &word, Action action) {
  try {
    action();
    ADD_FAILURE() << "no error, expected HB0" << number << " about " << word;
  } catch (const Error &error) {
    EXPECT_EQ(error.number(), number) << error.what();
    EXPECT_EQ(error.exitCode(), exitCode) << error.what();
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what() << "\ndoes not name " << word;
    EXPECT_NE(findError(number), nullptr) << "no page for HB0" << number;
  }
}

} // namespace hb::test
