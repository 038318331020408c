#include "lowering/kernels/Source.h"

using namespace mlir;

namespace hb {

std::string modulePath(Location location) {
  std::string name;
  location->walk([&](Location part) {
    auto named = dyn_cast<NameLoc>(part);
    if (!named || named.getName().empty())
      return WalkResult::advance();
    name = named.getName().str();
    return WalkResult::interrupt();
  });
  return name;
}

std::string sourceText(Location location) {
  std::string text;
  location->walk([&](Location part) {
    auto file = dyn_cast<FileLineColLoc>(part);
    if (!file)
      return WalkResult::advance();
    text = file.getFilename().str() + ":" + std::to_string(file.getLine());
    return WalkResult::interrupt();
  });
  std::string path = modulePath(location);
  return text.empty() || path.empty() ? text + path : text + " " + path;
}

} // namespace hb
