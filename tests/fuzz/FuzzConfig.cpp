// Any bytes as the JSON files of a checkpoint or an adapter.
#include "runtime/base/Error.h"
#include "runtime/formats/AdapterConfig.h"
#include "runtime/formats/ModelConfig.h"

#include <functional>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text(reinterpret_cast<const char *>(data), size);
  auto attempt = [](const std::function<void()> &action) {
    try {
      action();
    } catch (const hb::Error &) {
    }
  };
  attempt([&] {
    auto config = hb::ModelConfig::parse(text, "config.json");
    hb::JsonObject root = config.root();
    attempt([&] { config.className(); });
    for (const std::string &key : root.keys()) {
      attempt([&] { root.integer(key); });
      attempt([&] { root.number(key); });
      attempt([&] { root.integers(key); });
      attempt([&] { root.object(key); });
    }
  });
  attempt([&] {
    auto config = hb::AdapterConfig::parse(text, "adapter_config.json");
    config.scale("a.to_q", config.rank("a.to_q"));
  });
  attempt([&] { hb::AdapterConfig::parseMetadata(text, "metadata", "unet"); });
  return 0;
}
