// hb-rt convert-lora: an adapter in another spelling.
#include "runtime/formats/Adapter.h"
#include "runtime/formats/AdapterWriter.h"
#include "tools/hb-rt/Commands.h"

#include <cstdio>
#include <memory>

namespace hb::rt {
namespace {

struct ConvertOptions {
  std::string input, spelling, output;
  bool keepAlpha = false;
};

int convert(const ConvertOptions &options) {
  Adapter adapter = readAdapter(options.input);
  for (const std::string &warning : adapter.warnings)
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  std::string path = writeAdapter(*parseAdapterSpelling(options.spelling), options.output, adapter.modules, options.keepAlpha ? DiffusersScale::Metadata : DiffusersScale::Folded);
  std::printf("%s\n", path.c_str());
  return 0;
}

} // namespace

Action addConvertLora(CLI::App &app) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App *sub = app.add_subcommand("convert-lora", "write a LoRA adapter in another spelling; the numbers stay the same");
  sub->add_option("input", options->input, "the adapter: a PEFT folder, or a PEFT, diffusers or kohya file")->required();
  sub->add_option("--to", options->spelling, "peft (a folder), diffusers or kohya (a file, or a folder that gets it)")->required()->check(CLI::IsMember({"peft", "diffusers", "kohya"}));
  sub->add_option("-o,--output", options->output, "where to write it")->required();
  sub->add_flag("--keep-alpha", options->keepAlpha, "diffusers: keep alpha in the file's metadata instead of folding the scale into B (older readers ignore it)");
  return [options] { return convert(*options); };
}

} // namespace hb::rt
