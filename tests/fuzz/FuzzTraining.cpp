// Any bytes as the files that a training run reads: 't' a configuration, which must read back from its resolved form; 'm' a manifest.
#include "runtime/base/Error.h"
#include "runtime/train/Manifest.h"
#include "runtime/train/TrainConfig.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  std::string text(reinterpret_cast<const char *>(data) + 1, size - 1);
  try {
    if (data[0] == 'm') {
      for (const hb::TrainRecord &record : hb::Manifest::parse(text, "m.jsonl").records)
        if (record.text().empty() || record.image.empty())
          std::abort();
    } else {
      hb::TrainConfig config = hb::parseTrainConfig(text, "train.toml", {{"model.compiled", "m"}, {"data.manifest", "d"}, {"checkpoint.output_dir", "o"}, {"train.max_train_steps", "1"}});
      std::string resolved = hb::resolvedConfig(config);
      if (hb::resolvedConfig(hb::parseTrainConfig(resolved, "resolved")) != resolved)
        std::abort();
    }
  } catch (const hb::Error &error) {
    if (error.where() == "resolved")
      std::abort();
  }
  return 0;
}
