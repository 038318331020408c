#include "runtime/params/BoundWeights.h"

namespace hb {
namespace {

void collect(const std::vector<Command> &commands, std::set<size_t> &bound) {
  for (const Command &command : commands) {
    for (const Binding &binding : command.bindings)
      if (binding.kind == Binding::Kind::Weight)
        bound.insert(binding.value);
    collect(command.body, bound);
  }
}

} // namespace

std::set<size_t> boundWeights(const Program &program) {
  std::set<size_t> bound;
  collect(program.commands, bound);
  return bound;
}

bool isAdapter(const WeightSource &source) { return source.scope.starts_with(kAdapterScope); }

bool usedInPlace(const WeightSpec &spec) {
  return spec.layout == WeightLayout::Dense && spec.sources.size() == 1 && spec.sources[0].dtype == spec.dtype && dtypeSize(spec.dtype) == 2 && !isAdapter(spec.sources[0]);
}

} // namespace hb
