#include "lowering/emit/nvvm/Target.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <string_view>

namespace hb::nvvm {

// Architectures whose PTX runs the kernels as they are: mma.sync with bf16 and cp.async came with sm_80.
static constexpr int kCapabilities[] = {80, 86, 89, 90};

CudaTarget parseTarget(const std::string &spec) {
  constexpr std::string_view prefix = "cuda:sm_";
  if (!spec.starts_with(prefix))
    throw Error(730, "--target " + spec, "cuda:sm_80 or another architecture", spec, "name the architecture, as in --target cuda:sm_80");
  std::string number = spec.substr(prefix.size()), known;
  for (int capability : kCapabilities) {
    if (number == std::to_string(capability))
      return {capability};
    known += (known.empty() ? "sm_" : ", sm_") + std::to_string(capability);
  }
  throw Error(733, "--target " + spec, known, "sm_" + number, "choose the newest of these that is not newer than the device");
}

} // namespace hb::nvvm
