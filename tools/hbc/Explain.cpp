// hbc --explain HB0123.
#include "tools/hbc/Commands.h"

#include "runtime/base/Error.h"

#include <iostream>

namespace hb::tool {

int explain(const std::string &number) {
  std::string digits = number.starts_with("HB") || number.starts_with("hb") ? number.substr(2) : number;
  bool plain = !digits.empty() && digits.size() <= 4 && digits.find_first_not_of("0123456789") == std::string::npos;
  const ErrorInfo *info = plain ? findError(std::stoi(digits)) : nullptr;
  if (!info)
    throw Error(700, "--explain " + number.substr(0, 40), "the number of an error, e.g. HB0101", "another text", "");
  char head[16];
  std::snprintf(head, sizeof head, "HB%04d: ", info->number);
  std::cout << head << info->title << "\n\n" << info->page << "\n\nExit code " << static_cast<int>(info->exitCode) << ".\n";
  return 0;
}

} // namespace hb::tool
