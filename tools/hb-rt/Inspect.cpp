// hb-rt inspect: what a file is, in words and numbers.
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/formats/Checkpoint.h"
#include "runtime/formats/Image.h"
#include "runtime/module/Module.h"
#include "tools/hb-rt/Commands.h"

#include <cstdio>
#include <filesystem>
#include <memory>

namespace hb::rt {
namespace {

std::string mebibytes(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", bytes / 1048576.0);
  return text;
}

void printTensors(const char *title, const std::vector<TensorSpec> &tensors) {
  for (const TensorSpec &t : tensors)
    std::printf("    %-7s %-28s %s %s%s\n", title, t.name.c_str(), std::string(dtypeName(t.dtype)).c_str(), shapeText(t.shape).c_str(),
                t.range ? (" ids below " + std::to_string(t.range->second)).c_str() : "");
}

void inspectModule(const std::string &path) {
  Module module = Module::open(path);
  std::printf("module %s (%s), %s\n", path.c_str(), module.compiler.c_str(), mebibytes(module.fileSize()).c_str());
  std::printf("  compiled from %s %s %s\n", module.modelKind.c_str(), module.modelClass.c_str(), module.modelPath.c_str());
  for (const CodeVariant &code : module.code)
    std::printf("  code %s %s, %s\n", code.target.c_str(), code.cpu.c_str(), mebibytes(code.size).c_str());
  std::printf("  %zu kernels, %zu weights\n", module.kernels.size(), module.weights.size());
  for (const AdapterSet &set : module.adapters)
    std::printf("  adapter slots: %zu sites of rank %ld in '%s'\n", set.sites.size(), static_cast<long>(set.rank), set.scope.c_str());
  for (const Program &program : module.programs) {
    std::printf("  entry %s: arena %s (lower bound %s)\n", program.name.c_str(), mebibytes(program.arenaBytes).c_str(), mebibytes(program.lowerBoundBytes).c_str());
    printTensors("input", program.inputs);
    printTensors("output", program.outputs);
  }
}

void inspectWeights(const std::string &path) {
  Checkpoint checkpoint = Checkpoint::open(path, SafetensorsFile::Mode::HeaderOnly);
  uint64_t elements = 0;
  for (const CheckpointTensor &t : checkpoint.tensors()) {
    std::printf("%-80s %-5s %s\n", printable(t.name).c_str(), std::string(dtypeName(t.dtype)).c_str(), shapeText(t.shape).c_str());
    elements += static_cast<uint64_t>(t.info->elementCount());
  }
  std::printf("%zu tensors, %llu elements\n", checkpoint.tensors().size(), static_cast<unsigned long long>(elements));
}

int inspect(const std::string &path) {
  if (path.ends_with(".hbm"))
    inspectModule(path);
  else if (path.ends_with(".png"))
    for (const auto &[keyword, text] : readPngTexts(path))
      std::printf("%s\n%s\n", printable(keyword).c_str(), printable(text, 1 << 16).c_str());
  else
    inspectWeights(path);
  return 0;
}

} // namespace

Action addInspect(CLI::App &app) {
  auto path = std::make_shared<std::string>();
  CLI::App *sub = app.add_subcommand("inspect", "describe a module (.hbm), a checkpoint folder or safetensors file, or a picture made by generate (.png)");
  sub->add_option("path", *path, "the file or folder")->required();
  return [path] { return inspect(*path); };
}

} // namespace hb::rt
