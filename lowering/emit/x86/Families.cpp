#include "lowering/emit/x86/Families.h"

namespace hb::x86 {
namespace {

struct Row {
  const char *op;
  EmitFamily emit;
};

const Row rows[] = {
    {"kernel.contract", emitContract},
    {"kernel.winograd_input", emitWinogradInput},
    {"kernel.winograd_output", emitWinogradOutput},
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

} // namespace hb::x86
