#include "runtime/formats/Adapter.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/formats/AdapterFile.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

namespace hb {
namespace {

constexpr const char *kOtherModel = "the adapter belongs to another model, or the file is damaged";

/// Both factors of a module, or an error that names the missing one as its partner is spelled.
void requirePair(const RawAdapterModule &module, const SafetensorsFile &file) {
  if (module.down && module.up)
    return;
  const TensorInfo *present = module.down ? module.down : module.up ? module.up : module.alpha;
  static constexpr std::pair<std::string_view, std::string_view> kPartners[] = {{"lora_A", "lora_B"}, {"lora_down", "lora_up"}, {"down.weight", "up.weight"}};
  std::string partner = present->name;
  for (auto [a, b] : kPartners) {
    std::string_view from = module.down ? a : b, to = module.down ? b : a;
    size_t at = present == module.alpha ? std::string::npos : partner.rfind(from);
    if (at == std::string::npos)
      continue;
    partner.replace(at, from.size(), to);
    break;
  }
  std::string expected = present == module.alpha ? "two factors beside the alpha" : printable(partner) + " beside " + printable(present->name);
  throw Error(307, printable(file.path(), 1024) + ":" + printable(partner), expected, "no such tensor", "the file is incomplete; fetch it again");
}

/// Rows and columns of a factor. Kohya stores 1×1 convolutions, whose mathematics is that of a linear layer, as [n, m, 1, 1].
struct Extents {
  int64_t rows, columns;
};
Extents factorExtents(const TensorInfo &info, const SafetensorsFile &file) {
  const auto &shape = info.shape;
  bool plain = shape.size() == 2 || (shape.size() == 4 && shape[2] == 1 && shape[3] == 1);
  if (!plain || shape[0] < 1 || shape[1] < 1)
    throw Error(308, file.where(info), "a matrix", shapeText(shape), kOtherModel);
  if (!isFloat(info.dtype))
    throw Error(309, file.where(info), "F32, F16, BF16 or F64", std::string(dtypeName(info.dtype)), "convert the adapter");
  return {shape[0], shape[1]};
}

/// Shapes against each other, against the layer, and against the config's rank; gives the rank.
AdapterModule checkedModule(const RawAdapterModule &raw, const RawAdapter &adapter, const std::string &path, const AdapterSite *site) {
  const SafetensorsFile &file = adapter.file;
  Extents down = factorExtents(*raw.down, file), up = factorExtents(*raw.up, file);
  if (site && down.columns != site->in)
    throw Error(308, file.where(*raw.down), "[rank, " + std::to_string(site->in) + "] for " + path, shapeText(raw.down->shape), kOtherModel);
  if (site && up.rows != site->out)
    throw Error(308, file.where(*raw.up), "[" + std::to_string(site->out) + ", rank] for " + path, shapeText(raw.up->shape), kOtherModel);
  if (up.columns != down.rows)
    throw Error(308, file.where(*raw.up), "rank " + std::to_string(down.rows) + ", as " + printable(raw.down->name) + " " + shapeText(raw.down->shape) + " has",
                shapeText(raw.up->shape), kOtherModel);
  if (adapter.config && !raw.alpha && adapter.config->rank(path) != down.rows)
    throw Error(308, file.where(*raw.down), "rank " + std::to_string(adapter.config->rank(path)) + ", as the adapter's config says", shapeText(raw.down->shape),
                "config and weights are of different adapters");
  AdapterModule module;
  module.path = path;
  module.in = down.columns;
  module.out = up.rows;
  module.rank = down.rows;
  return module;
}

std::vector<float> finiteValues(const TensorInfo &info, const SafetensorsFile &file) {
  std::vector<float> values = file.readFloats(info);
  auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad != values.end())
    throw Error(313, file.where(info), "finite numbers",
                std::string(std::isnan(*bad) ? "a NaN" : "an infinity") + " at element " + std::to_string(bad - values.begin()),
                "the training that made this adapter diverged, or the file is damaged");
  return values;
}

/// Reads the factors and settles the scale: an alpha tensor, else the config, else 1 (alpha = rank).
void fillModule(AdapterModule &module, const RawAdapterModule &raw, const RawAdapter &adapter) {
  const SafetensorsFile &file = adapter.file;
  if (raw.alpha) {
    if (raw.alpha->elementCount() != 1)
      throw Error(308, file.where(*raw.alpha), "one number", shapeText(raw.alpha->shape), kOtherModel);
    module.scale = finiteValues(*raw.alpha, file)[0] / static_cast<double>(module.rank);
  } else if (adapter.config) {
    module.scale = adapter.config->scale(module.path, module.rank);
  }
  module.a = finiteValues(*raw.down, file);
  module.b = finiteValues(*raw.up, file);
}

struct Matched {
  AdapterModule module;
  const RawAdapterModule *raw;
};

/// Sorts, refuses two spellings of one path, converts.
void finish(Adapter &result, std::vector<Matched> matched, const RawAdapter &raw) {
  std::sort(matched.begin(), matched.end(), [](const auto &a, const auto &b) { return a.module.path < b.module.path; });
  for (size_t i = 1; i < matched.size(); ++i)
    if (matched[i].module.path == matched[i - 1].module.path)
      throw Error(306, printable(result.path, 1024) + ":" + printable(matched[i].raw->anyName()), "each module once",
                  "it is also there as " + printable(matched[i - 1].raw->anyName()), "remove one of the two");
  for (Matched &entry : matched) {
    fillModule(entry.module, *entry.raw, raw);
    result.rank = std::max(result.rank, entry.module.rank);
    result.modules.push_back(std::move(entry.module));
  }
}

std::string counted(size_t count, const char *what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

void warnOtherComponents(Adapter &result, const std::string &first, const std::string &component) {
  if (result.otherComponents)
    result.warnings.push_back(printable(result.path, 1024) + ": " + counted(result.otherComponents, "module") + " of other networks than " + component +
                              " (first: " + printable(first) + ") not applied");
}

bool belongsTo(const AdapterKey &key, const std::string &component) { return key.component.empty() || key.component == component; }

[[noreturn]] void failRank(const std::string &where, int64_t rank, int64_t maxRank) {
  throw Error(314, where,
              maxRank ? "rank " + std::to_string(maxRank) + " or less, the --lora-rank of the module" : "a module compiled with adapter slots (--lora-rank)",
              "rank " + std::to_string(rank), "compile with --lora-rank " + std::to_string(rank));
}

} // namespace

Adapter loadAdapter(const std::string &path, const AdapterTarget &target) {
  RawAdapter raw = openAdapter(path, target.component);
  const SafetensorsFile &file = raw.file;
  std::map<std::string, const AdapterSite *> sites;
  std::vector<std::string> paths = target.modulePaths;
  for (const AdapterSite &site : target.sites) {
    sites[site.path] = &site;
    paths.push_back(site.path);
  }
  ModuleResolver resolver(paths);

  Adapter result;
  result.path = file.path();
  std::vector<Matched> matched;
  std::string firstOutside, firstOther, firstUnknown;
  for (const RawAdapterModule &module : raw.modules) {
    if (!belongsTo(module.key, target.component)) {
      if (result.otherComponents++ == 0)
        firstOther = module.anyName();
      continue;
    }
    requirePair(module, file);
    auto found = resolver.resolve(module.key);
    if (!found) {
      if (firstUnknown.empty())
        firstUnknown = module.anyName();
      continue;
    }
    auto site = sites.find(*found);
    if (site == sites.end()) {
      if (result.outsideTargets++ == 0)
        firstOutside = *found;
      continue;
    }
    matched.push_back({checkedModule(module, raw, *found, site->second), &module});
  }

  std::string where = printable(result.path, 1024);
  if (!firstUnknown.empty())
    throw Error(310, where + ":" + printable(firstUnknown), "a module of the network",
                matched.empty() && !result.outsideTargets ? "none of this name, and no other tensor of the file fits either" : "none of this name",
                "the adapter was made for another model");
  if (target.maxRank < 1 && result.outsideTargets) {
    int64_t rank = 1;
    for (const RawAdapterModule &module : raw.modules)
      if (module.down && !module.down->shape.empty())
        rank = std::max(rank, module.down->shape[0]);
    failRank(where, rank, 0);
  }
  if (matched.empty())
    throw Error(311, where, "modules among the compiled --lora-targets",
                result.outsideTargets ? "only others, first " + printable(firstOutside) : "only modules of other networks, first " + printable(firstOther),
                result.outsideTargets ? "compile with the adapter's targets in --lora-targets" : "this network has no part in the adapter");
  for (const Matched &entry : matched)
    if (entry.module.rank > target.maxRank)
      failRank(where + ":" + printable(entry.raw->anyName()), entry.module.rank, target.maxRank);
  if (result.outsideTargets)
    result.warnings.push_back(where + ": " + counted(result.outsideTargets, "module") + " of " + std::to_string(result.outsideTargets + matched.size()) +
                              " outside the compiled --lora-targets (first: " + printable(firstOutside) + ") not applied");
  warnOtherComponents(result, firstOther, target.component);
  finish(result, std::move(matched), raw);
  return result;
}

Adapter readAdapter(const std::string &path, const std::string &component) {
  RawAdapter raw = openAdapter(path, component);
  Adapter result;
  result.path = raw.file.path();
  std::vector<Matched> matched;
  std::string firstOther;
  for (const RawAdapterModule &module : raw.modules) {
    if (!belongsTo(module.key, component)) {
      if (result.otherComponents++ == 0)
        firstOther = module.anyName();
      continue;
    }
    requirePair(module, raw.file);
    std::string name = module.key.module;
    if (module.key.underscored) {
      // Two layers a block is SDXL's number; without a network there is nothing else to go by.
      auto renamed = fromSgmName(name, 2);
      name = dottedFromUnderscored(renamed ? *renamed : name);
    }
    matched.push_back({checkedModule(module, raw, name, nullptr), &module});
  }
  if (matched.empty())
    throw Error(311, printable(result.path, 1024), "modules of " + component, "only modules of other networks, first " + printable(firstOther),
                "this network has no part in the adapter");
  warnOtherComponents(result, firstOther, component);
  finish(result, std::move(matched), raw);
  return result;
}

void requireRanksFit(const std::vector<const Adapter *> &adapters, int64_t maxRank) {
  std::map<std::string, int64_t> sums;
  for (const Adapter *adapter : adapters)
    for (const AdapterModule &module : adapter->modules)
      sums[module.path] += module.rank;
  for (const auto &[path, sum] : sums)
    if (sum > maxRank)
      failRank((adapters.size() == 1 ? printable(adapters[0]->path, 1024) : counted(adapters.size(), "adapter")) + ":" + path, sum, maxRank);
}

AdapterArgument parseAdapterArgument(const std::string &text) {
  AdapterArgument argument{text, 1};
  size_t colon = text.rfind(':');
  if (colon != std::string::npos) {
    double value = 0;
    const char *begin = text.data() + colon + 1, *end = text.data() + text.size();
    auto [stop, status] = std::from_chars(begin, end, value);
    if (begin != end && stop == end && status != std::errc::invalid_argument) {
      if (status != std::errc() || !std::isfinite(value))
        throw Error(316, printable(text), "PATH or PATH:SCALE with a finite number", "another scale", "give a scale such as 0.8");
      argument = {text.substr(0, colon), value};
    }
  }
  if (argument.path.empty())
    throw Error(316, printable(text), "PATH or PATH:SCALE", "no path", "give the adapter's folder or file");
  return argument;
}

} // namespace hb
