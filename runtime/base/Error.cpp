#include "runtime/base/Error.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace hb {
namespace {

constexpr ErrorInfo kErrors[] = {
#define HB_ERROR(NUMBER, EXIT, TITLE, PAGE) {NUMBER, ExitCode::EXIT, TITLE, PAGE},
#include "runtime/base/errors/Language.def"
#include "runtime/base/errors/Checkpoint.def"
#include "runtime/base/errors/Adapter.def"
#include "runtime/base/errors/Module.def"
#include "runtime/base/errors/Run.def"
#include "runtime/base/errors/Pipeline.def"
#include "runtime/base/errors/Train.def"
#include "runtime/base/errors/Compile.def"
#include "runtime/base/errors/Lowering.def"
#include "runtime/base/errors/System.def"
#undef HB_ERROR
};

std::string format(int number, const std::string &where, const std::string &expected, const std::string &found, const std::string &action) {
  char head[32];
  std::snprintf(head, sizeof head, "error HB%04d: ", number);
  std::string text = head;
  text += where;
  if (!expected.empty())
    text += ": expected " + expected;
  if (!found.empty())
    text += (expected.empty() ? ": found " : "; found ") + found;
  if (!action.empty())
    text += "; " + action;
  return text;
}

} // namespace

const ErrorInfo *errorTableBegin() { return std::begin(kErrors); }
const ErrorInfo *errorTableEnd() { return std::end(kErrors); }

const ErrorInfo *findError(int number) {
  auto it = std::lower_bound(std::begin(kErrors), std::end(kErrors), number, [](const ErrorInfo &row, int n) { return row.number < n; });
  return it != std::end(kErrors) && it->number == number ? it : nullptr;
}

Error::Error(int number, std::string where, std::string expected, std::string found, std::string action)
    : number_(number), where_(std::move(where)), text_(format(number, where_, expected, found, action)) {}

ExitCode Error::exitCode() const {
  const ErrorInfo *info = findError(number_);
  return info ? info->exitCode : ExitCode::Internal;
}

} // namespace hb
