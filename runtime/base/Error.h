// The one error type of the runtime and of the compiler's front half.
//
// Every user-visible failure has a number (HB0123). The numbers, their exit codes and the pages that `hbc --explain` prints
// live in tables under runtime/base/errors/, one table per area; this header only carries a failure from where it was
// noticed to the tool's main function (or to the C API, which turns it into a status code).
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace hb {

/// Exit codes of the tools (fixed by the contract).
enum class ExitCode : int { Ok = 0, RunTime = 1, Usage = 2, BadFile = 3, NoMemory = 4, Internal = 70, Interrupted = 130 };

/// One row of the error tables.
struct ErrorInfo {
  int number;               ///< 123 for HB0123
  ExitCode exitCode;        ///< what a tool returns when this error ends it
  std::string_view title;   ///< a few words, e.g. "checkpoint tensor has another shape"
  std::string_view page;    ///< the page printed by `hbc --explain`, plain text
};

/// Finds the row of a number; null when there is none.
const ErrorInfo *findError(int number);
/// All rows in ascending order, for the generated error pages and their test.
const ErrorInfo *errorTableBegin();
const ErrorInfo *errorTableEnd();

/// A numbered failure: where it is, what was expected, what was found, what the user can do.
/// Prints as `error HB0123: <where>: expected …; found …; <action>`.
class Error : public std::exception {
public:
  Error(int number, std::string where, std::string expected, std::string found, std::string action);

  int number() const { return number_; }
  ExitCode exitCode() const;
  const std::string &where() const { return where_; }
  const char *what() const noexcept override { return text_.c_str(); }

private:
  int number_;
  std::string where_;
  std::string text_;
};

} // namespace hb
