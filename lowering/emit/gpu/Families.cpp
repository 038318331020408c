#include "lowering/emit/gpu/Families.h"

namespace hb::gpu {
namespace {

struct Row {
  const char *op;
  EmitFamily emit;
};

const Row rows[] = {
    {"kernel.contract", emitContract},
    {"kernel.attention", emitAttention},
    {"kernel.attention_vjp", emitAttentionVjp},
    {"kernel.map", emitMap},
    {"kernel.concat", emitConcat},
    {"kernel.gather", emitGather},
    {"kernel.dropout", emitDropout},
    {"kernel.adaptive_pool", emitAdaptivePool},
    {"kernel.group_stats", emitGroupStats},
    {"kernel.normalize", emitNormalize},
    {"kernel.reduce", emitReduce},
};

} // namespace

EmitFamily findFamily(llvm::StringRef opName) {
  for (const Row &row : rows)
    if (opName == row.op)
      return row.emit;
  return nullptr;
}

} // namespace hb::gpu
