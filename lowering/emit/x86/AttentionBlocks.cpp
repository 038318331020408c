#include "lowering/emit/x86/AttentionBlocks.h"

using namespace mlir;

namespace hb::x86 {
namespace {

constexpr int64_t smallBlock = 64, largeBlock = 256; ///< queries of a forward task
constexpr int64_t streamedBytes = 1 << 20;           ///< keys and values of a head that do not stay in the second-level cache
constexpr int64_t maxBlockKeys = 128;

constexpr int64_t enoughHeads = 8;      ///< heads (times batch) from which a gradient's task is a head
constexpr int64_t queriesOfBlock = 64;  ///< blocks are equal, so that they differ from this a little
constexpr int64_t queriesOfTask = 128;  ///< where a task is a block of queries: keys are turned once for it
/// Keys of a block: Q, dY and dQ are streamed once for each, so many where the head is the task (and blocks make no tasks).
constexpr int64_t keysOfHeadBlock = 512, keysOfBlock = 128, keysOfWideBlock = 64;

int64_t roundUp(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

/// The size of equal blocks of `wanted` up to a quarter more: a last small one would waste lanes and code.
int64_t blockOf(int64_t count, int64_t wanted, int64_t multiple) {
  int64_t blocks = std::max<int64_t>(1, (count + wanted * 3 / 4 - 1) / wanted);
  return blocks == 1 ? count : std::min(count, roundUp((count + blocks - 1) / blocks, multiple));
}

template <typename Op> AttentionExtents extents(Op op) {
  auto shape = [](Value value) { return cast<RankedTensorType>(value.getType()).getShape(); };
  ArrayRef<int64_t> q = shape(op.getQ());
  const int64_t heads = op.getHeads();
  return {q[0], q[1], shape(op.getK())[1], heads, q[2] / heads, shape(op.getV())[2] / heads, op.getCausal()};
}

} // namespace

AttentionExtents extentsOf(kernel::AttentionOp op) { return extents(op); }
AttentionExtents extentsOf(kernel::AttentionVjpOp op) { return extents(op); }

AttentionBlocks attentionBlocks(const AttentionExtents &e) {
  AttentionBlocks blocks{smallBlock, e.keys, false};
  // Keys and values that outgrow the cache are streamed once per query block: then larger blocks, if tasks enough remain.
  blocks.streamed = e.keys * (e.width + e.valueWidth) * 4 >= streamedBytes && std::max(e.width, e.valueWidth) <= attentionMaxChain;
  while (blocks.streamed && blocks.queries < largeBlock && e.batch * e.heads * ((e.queries + 2 * blocks.queries - 1) / (2 * blocks.queries)) >= 32)
    blocks.queries *= 2;
  if (int64_t count = (e.keys + maxBlockKeys - 1) / maxBlockKeys; count > 1) // equal blocks
    blocks.keys = std::min(maxBlockKeys, roundUp((e.keys + count - 1) / count, 8));
  return blocks;
}

AttentionVjpBlocks attentionVjpBlocks(const AttentionExtents &e, bool avx512) {
  AttentionVjpBlocks blocks{e.batch * e.heads >= enoughHeads, blockOf(e.queries, queriesOfBlock, 4), 0, 0};
  blocks.taskQueries = blocks.byHeads ? blocks.queries : blockOf(e.queries, queriesOfTask, 4);
  const int64_t most = avx512 ? keysOfHeadBlock : keysOfHeadBlock / 2; // such machines have the larger second-level caches, too
  blocks.keys = blockOf(e.keys, e.width + e.valueWidth > attentionWideHead ? keysOfWideBlock : blocks.byHeads ? most : keysOfBlock, 16);
  return blocks;
}

} // namespace hb::x86
