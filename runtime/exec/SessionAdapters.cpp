#include "runtime/exec/SessionAdapters.h"

#include "runtime/base/Error.h"
#include "runtime/formats/Adapter.h"
#include "runtime/params/AdapterBinding.h"

namespace hb {

std::vector<std::string> bindAdapters(Session &session, const std::vector<std::string> &arguments) {
  std::vector<std::string> warnings;
  const Module &module = session.module();
  if (arguments.empty()) {
    session.weights().setAdapters({});
    return warnings;
  }
  if (module.adapters.empty())
    throw Error(507, module.path(), "adapter slots", "a module compiled without them", "compile again with --lora-rank R --lora-targets …");
  if (module.adapters.size() > 1)
    throw Error(509, module.path(), "adapter slots of one network", std::to_string(module.adapters.size()) + " networks", "compile the networks separately");
  const AdapterSet &set = module.adapters.front();
  AdapterTarget target = adapterTarget(set);
  std::vector<Adapter> adapters;
  std::vector<ScaledAdapter> scaled;
  for (const std::string &text : arguments) {
    AdapterArgument argument = parseAdapterArgument(text);
    adapters.push_back(loadAdapter(argument.path, target));
    scaled.push_back({nullptr, argument.scale});
    warnings.insert(warnings.end(), adapters.back().warnings.begin(), adapters.back().warnings.end());
  }
  for (size_t i = 0; i < adapters.size(); ++i)
    scaled[i].adapter = &adapters[i];
  session.weights().setAdapters(stackAdapters(set, scaled));
  return warnings;
}

} // namespace hb
