#include "tools/hbc/EvalAdapters.h"

#include "dialects/nn/Nn.h"
#include "runtime/formats/Adapter.h"

#include <list>
#include <set>

namespace hb::tool {
namespace {

constexpr llvm::StringLiteral kPrefix = "adapter:";

/// The slots of one network, in a form that loadAdapter checks a file against.
struct Slots {
  AdapterTarget target;
  std::set<std::string> seen;
};

std::map<std::string, Slots> slotsOf(mlir::ModuleOp module) {
  std::map<std::string, Slots> scopes;
  module->walk([&](nn::ParamOp op) {
    llvm::StringRef scope = op.getScope(), key = op.getKey();
    auto type = mlir::cast<mlir::RankedTensorType>(op.getType());
    if (!scope.consume_front(kPrefix) || !key.consume_back(".lora_A") || !scopes[scope.str()].seen.insert(key.str()).second)
      return;
    AdapterTarget &target = scopes[scope.str()].target;
    target.sites.push_back({key.str(), type.getDimSize(1), 0});
    target.maxRank = type.getDimSize(0);
    if (!scope.empty())
      target.component = scope.str();
  });
  module->walk([&](nn::ParamOp op) {
    llvm::StringRef scope = op.getScope(), key = op.getKey();
    auto found = scopes.find(scope.str());
    if (found != scopes.end() && key.consume_back(".weight"))
      found->second.target.modulePaths.push_back(key.str());
    if (!scope.consume_front(kPrefix) || !key.consume_back(".lora_B"))
      return;
    for (AdapterSite &site : scopes[scope.str()].target.sites)
      if (site.path == key)
        site.out = mlir::cast<mlir::RankedTensorType>(op.getType()).getDimSize(0);
  });
  return scopes;
}

} // namespace

std::map<std::pair<std::string, std::string>, std::vector<double>> adapterFactors(mlir::ModuleOp module, const std::vector<std::string> &adapters) {
  std::map<std::pair<std::string, std::string>, std::vector<double>> factors;
  for (const auto &[scope, slots] : slotsOf(module)) {
    int64_t rank = slots.target.maxRank;
    std::list<Adapter> loaded;
    std::vector<const Adapter *> all;
    std::map<std::string, int64_t> used; // rows of the slot that earlier adapters took
    std::vector<double> strengths;
    for (const std::string &text : adapters) {
      AdapterArgument argument = parseAdapterArgument(text);
      all.push_back(&loaded.emplace_back(loadAdapter(argument.path, slots.target)));
      strengths.push_back(argument.scale);
    }
    requireRanksFit(all, rank);
    size_t index = 0;
    for (const Adapter &adapter : loaded) {
      double strength = strengths[index++];
      for (const AdapterModule &part : adapter.modules) {
        auto table = [&](const char *suffix, int64_t size) -> std::vector<double> & {
          std::vector<double> &values = factors[{(kPrefix + scope).str(), part.path + suffix}];
          values.resize(size);
          return values;
        };
        int64_t from = used[part.path];
        std::vector<double> &a = table(".lora_A", rank * part.in), &b = table(".lora_B", part.out * rank), &s = table(".lora_scale", rank);
        for (int64_t r = 0; r < part.rank; ++r) {
          s[from + r] = part.scale * strength;
          for (int64_t k = 0; k < part.in; ++k)
            a[(from + r) * part.in + k] = part.a[r * part.in + k];
          for (int64_t n = 0; n < part.out; ++n)
            b[n * rank + from + r] = part.b[n * part.rank + r];
        }
        used[part.path] += part.rank;
      }
    }
  }
  return factors;
}

} // namespace hb::tool
