// Any bytes as a safetensors file: an Error, or tensors that can be read to the last element.
#include "runtime/base/Error.h"
#include "runtime/formats/Checkpoint.h"
#include "tests/fuzz/MemoryFile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  hb::test::MemoryFile file(data, size);
  bool headerLoaded = false;
  try {
    hb::SafetensorsFile::open(file.path(), hb::SafetensorsFile::Mode::HeaderOnly);
    headerLoaded = true;
    auto checkpoint = hb::Checkpoint::open(file.path());
    for (const auto &tensor : checkpoint.tensors())
      checkpoint.readFloats(tensor);
  } catch (const hb::Error &error) {
    // Both modes make the same checks, so only what a checkpoint adds (HB0225) may still fail after the header.
    if (headerLoaded && error.number() != 225)
      std::abort();
  }
  return 0;
}
