// Any bytes as PTX: a numbered error or a module; what was read runs into its end or into a finding.
#include "runtime/base/Error.h"
#include "runtime/device/cuda/sim/Simulator.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace hb::ptx;
  try {
    auto code = Code::parse(std::string_view(reinterpret_cast<const char *>(data), size));
    for (const EntryInfo *entry : code->entries()) {
      size_t bytes = 0;
      for (uint32_t parameter : entry->parameterBytes)
        bytes += parameter;
      std::vector<std::byte> parameters(bytes);
      CheckOptions options;
      options.instructionBudget = 10000;
      try {
        Simulator().launch(*code, entry->name, {2}, {32}, 64, parameters, options);
      } catch (const hb::Error &) {
      }
    }
  } catch (const hb::Error &) {
  }
  return 0;
}
