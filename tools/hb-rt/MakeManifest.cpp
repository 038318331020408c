// hb-rt manifest: the records of a published data set as a training manifest.
#include "runtime/train/DataSets.h"
#include "tools/hb-rt/Commands.h"

#include <cstdio>
#include <memory>

namespace hb::rt {
namespace {

struct ManifestOptions {
  std::string kind, output;
  DataSetOptions set;
};

int make(const ManifestOptions &options) {
  ManifestCounts counts = writeManifest(*findDataSet(options.kind), options.set, options.output);
  if (counts.missing)
    std::fprintf(stderr, "warning: %lld records are left out because their pictures are not there.\n", static_cast<long long>(counts.missing));
  std::fprintf(stderr, "%lld records\n", static_cast<long long>(counts.written));
  std::printf("%s\n", options.output.c_str());
  return 0;
}

} // namespace

Action addManifest(CLI::App &app) {
  auto options = std::make_shared<ManifestOptions>();
  CLI::App *sub = app.add_subcommand("manifest", "write a training manifest from the official files of a data set");
  std::vector<std::string> names;
  std::string footer = "What is read in DIR:\n";
  for (const DataSet &set : dataSets()) {
    names.push_back(set.name);
    footer += std::string("  ") + set.name + " (split " + set.defaultSplit + "): " + set.files + "\n";
  }
  footer += "`hb-rt caption` adds context descriptions. Manifests may be joined with cat: the trainer shuffles.";
  sub->add_option("kind", options->kind, "the data set")->required()->check(CLI::IsMember(names));
  sub->add_option("dir", options->set.folder, "where its annotation files lie")->required();
  sub->add_option("-o,--output", options->output, "the manifest to write")->required();
  sub->add_option("--split", options->set.split, "another part of the data set, as its files are named");
  sub->add_option("--images", options->set.images, "where the pictures lie");
  sub->add_option("--per-class", options->set.perClass, "imagenet: pictures of each class, the first by name; 0 takes all")->check(CLI::NonNegativeNumber)->capture_default_str();
  sub->add_option("--limit", options->set.limit, "at most so many records; 0 takes all")->check(CLI::NonNegativeNumber);
  sub->add_flag("--skip-missing", options->set.skipMissing, "leave records out whose picture is not there");
  sub->footer(footer);
  return [options] { return make(*options); };
}

} // namespace hb::rt
