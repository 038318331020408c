#include "runtime/module/Module.h"

#include "runtime/base/Error.h"

#include <algorithm>

namespace hb {

int64_t TensorSpec::elementCount() const {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

std::optional<WeightLayout> parseWeightLayout(std::string_view name) {
  static constexpr std::pair<std::string_view, WeightLayout> kLayouts[] = {{"dense", WeightLayout::Dense},
                                                                           {"panel16", WeightLayout::Panel16},
                                                                           {"gated_panel16", WeightLayout::GatedPanel16},
                                                                           {"diagonal_panel16", WeightLayout::DiagonalPanel16},
                                                                           {"winograd_f2", WeightLayout::WinogradF2},
                                                                           {"winograd_f4x2", WeightLayout::WinogradF4x2}};
  for (auto &[text, layout] : kLayouts)
    if (text == name)
      return layout;
  return std::nullopt;
}

std::optional<size_t> chooseCpuTarget(const std::vector<std::string> &names) {
  auto it = std::find(names.begin(), names.end(), "x86-64");
  return it == names.end() ? std::nullopt : std::optional<size_t>(it - names.begin());
}

std::optional<size_t> chooseAnyTarget(const std::vector<std::string> &names) { return names.empty() ? std::nullopt : std::optional<size_t>(0); }

const Program *Module::findEntry(const std::string &name) const {
  auto it = std::find_if(programs.begin(), programs.end(), [&](const Program &p) { return p.name == name; });
  return it == programs.end() ? nullptr : &*it;
}

const Program &Module::entry(const std::string &name) const {
  if (const Program *program = findEntry(name))
    return *program;
  std::string known;
  for (const Program &program : programs)
    known += (known.empty() ? "" : ", ") + program.name;
  throw Error(501, path(), "an entry of the module (" + known + ")", "'" + name + "'", "choose one of them or compile with --entry " + name);
}

std::span<const std::byte> Module::blob(uint64_t offset, uint64_t size) const { return file_.bytes().subspan(blobStart_ + offset, size); }

} // namespace hb
