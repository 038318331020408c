// Any bytes as an adapter file. The target has SDXL's names, so that kohya's and sgm's spellings resolve.
#include "runtime/base/Error.h"
#include "runtime/formats/Adapter.h"
#include "tests/fuzz/MemoryFile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const hb::AdapterTarget target{{{"down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", 32, 32},
                                         {"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v", 40, 32},
                                         {"mid_block.attentions.0.transformer_blocks.0.attn1.to_q", 48, 48}},
                                        {"conv_in", "up_blocks.0.attentions.2.transformer_blocks.0.attn1.to_q", "down_blocks.0.resnets.1.conv1"},
                                        2};
  hb::test::MemoryFile file(data, size);
  try {
    hb::loadAdapter(file.path(), target);
  } catch (const hb::Error &) {
  }
  try {
    hb::readAdapter(file.path());
  } catch (const hb::Error &) {
  }
  return 0;
}
