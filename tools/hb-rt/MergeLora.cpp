// hb-rt merge-lora: a copy of a network's folder with adapters merged into its weights.
#include "runtime/formats/AdapterMerge.h"
#include "tools/hb-rt/Commands.h"

#include <cstdio>
#include <memory>

namespace hb::rt {
namespace {

struct MergeOptions {
  std::string folder, output;
  std::vector<std::string> adapters;
};

int merge(const MergeOptions &options) {
  std::vector<AdapterArgument> adapters;
  for (const std::string &text : options.adapters)
    adapters.push_back(parseAdapterArgument(text));
  MergeResult result = mergeAdapters(options.folder, adapters, options.output);
  for (const std::string &warning : result.warnings)
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  std::fprintf(stderr, "%s: %zu of %zu tensors merged\n", result.source.c_str(), result.merged, result.tensors);
  std::printf("%s\n", options.output.c_str());
  return 0;
}

} // namespace

Action addMergeLora(CLI::App &app) {
  auto options = std::make_shared<MergeOptions>();
  CLI::App *sub = app.add_subcommand("merge-lora", "write a copy of a network's folder with LoRA adapters merged into its weights");
  sub->add_option("folder", options->folder, "the network's folder, or a pipeline's: then its unet is copied")->required();
  sub->add_option("adapters", options->adapters, "one or more adapters, PATH[:SCALE]")->required();
  sub->add_option("-o,--output", options->output, "the folder to write; it must not exist yet")->required();
  return [options] { return merge(*options); };
}

} // namespace hb::rt
