#include "lowering/Dump.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"

#include <algorithm>
#include <filesystem>

using namespace mlir;

namespace hb {

std::string programText(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream out(text);
  // Locations name the module path and the line of the program; the pretty form of them is not read back. No constant is left out either:
  // MLIR writes one of more than a hundred elements as a string of hexadecimal bytes, and weights are never constants of a program.
  module.print(out, OpPrintingFlags().enableDebugInfo(true, /*prettyForm=*/false));
  return text;
}

PhaseDump::PhaseDump(std::string folder) : folder_(std::move(folder)) {
  std::error_code failure;
  if (!folder_.empty())
    std::filesystem::create_directories(folder_, failure);
  if (failure)
    throw Error(901, folder_, "a folder for the dumps", failure.message(), "choose another folder");
}

void PhaseDump::begin(const std::string &target) {
  target_ = target;
  std::replace(target_.begin(), target_.end(), ':', '-');
}

void PhaseDump::write(const std::string &phase, ModuleOp module) {
  if (folder_.empty())
    return;
  std::string text = programText(module);
  size_t operations = 0;
  module.walk([&](Operation *) { ++operations; });
  std::string file = std::to_string(rows_.size() + 1) + "-" + phase + (target_.empty() ? "" : "." + target_) + ".mlir";
  writeFileAtomically(folder_ + "/" + file, text);
  rows_.push_back({target_.empty() ? phase : phase + " (" + target_ + ")", file, operations, text.size()});
  writeIndex();
}

void PhaseDump::writeIndex() const {
  std::string page = "<!doctype html><meta charset=utf-8><title>hbc phases</title><style>body{font:15px sans-serif;margin:2em}td,th{padding:.3em 1em;text-align:right}td:first-child{text-align:left}</style>"
                     "<h1>Phases</h1><table><tr><th>phase<th>operations<th>bytes of text</tr>";
  for (const Row &row : rows_)
    page += "<tr><td><a href=\"" + row.file + "\">" + row.phase + "</a><td>" + std::to_string(row.operations) + "<td>" + std::to_string(row.bytes) + "</tr>";
  writeFileAtomically(folder_ + "/index.html", page + "</table>\n");
}

} // namespace hb
