// How the attention kernels cut queries and keys: what the emitters build by, and what counting their work needs.
#pragma once

#include "dialects/kernel/Kernel.h"

namespace hb::x86 {

struct AttentionExtents {
  int64_t batch, queries, keys, heads, width, valueWidth; ///< widths: of one head
  bool causal;
};
AttentionExtents extentsOf(kernel::AttentionOp op);
AttentionExtents extentsOf(kernel::AttentionVjpOp op);

/// The forward kernel: a task is a head's block of queries, which meets blocks of keys.
struct AttentionBlocks {
  int64_t queries, keys;
  bool streamed; ///< keys and values of a head outgrow the second-level cache
};
AttentionBlocks attentionBlocks(const AttentionExtents &e);

/// The gradient: where `byHeads`, a task is a head and all five products are done in one pass; otherwise tasks are blocks of `keys` (dK and dV, four
/// products) and blocks of `taskQueries` (dQ, three).
struct AttentionVjpBlocks {
  bool byHeads;
  int64_t queries, taskQueries, keys;
};
AttentionVjpBlocks attentionVjpBlocks(const AttentionExtents &e, bool avx512);

/// Head widths that are summed in one float32 chain.
inline constexpr int64_t attentionMaxChain = 160;
/// Widths of keys and values together from which a block's arrays outgrow the cache otherwise.
inline constexpr int64_t attentionWideHead = 512;

} // namespace hb::x86
