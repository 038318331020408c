// Manifests from the annotation files of published data sets, as they are downloaded.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hb {

/// What to take from a data set. Empty texts mean the data set's default.
struct DataSetOptions {
  std::string folder; ///< where the annotation files lie
  std::string images; ///< where the pictures lie, when not below `folder`
  std::string split;
  int64_t perClass = 16; ///< ImageNet: pictures of each class, the first by name; 0: all
  int64_t limit = 0;     ///< at most so many records; 0: all
  bool skipMissing = false;
};

/// One record to write. Keys that a data set has no value for are empty and not written.
struct DataSetRecord {
  std::string id, image, prompt, question, answer, subject, action, object, label;
};

struct DataSet {
  const char *name;         ///< on the command line and as "kind" in the manifest
  const char *defaultSplit;
  const char *files;        ///< for --help: what is read
  /// Calls `emit` for each record until it returns false. HB0666, HB0902.
  void (*read)(const DataSetOptions &options, const std::function<bool(DataSetRecord)> &emit);
};

const std::vector<DataSet> &dataSets();
/// Null when there is none of that name.
const DataSet *findDataSet(const std::string &name);

/// What writeManifest did.
struct ManifestCounts {
  int64_t written = 0, missing = 0; ///< missing: records left out because their picture is not there
};

/// Writes a manifest whose paths are relative to its own folder. HB0656 no record, HB0666 a wrong annotation file or (unless skipMissing) a
/// missing picture, HB0901, HB0902.
ManifestCounts writeManifest(const DataSet &set, const DataSetOptions &options, const std::string &output);

} // namespace hb
