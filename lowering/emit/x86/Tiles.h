// Register tiles and block sizes of the contraction kernels: data, one table per instruction set.
//
// A tile is `rows` rows of A by `panels` packed panels of 16 columns; its accumulators fill the register file (24 of 32 zmm,
// 12 of 16 ymm). More than 8 rows are slow when the row stride is a multiple of 4 KiB (all rows in one L1 set).
#pragma once

#include <cstdint>

namespace hb::x86 {

struct TileShape {
  int rows, panels;
};

/// `separate`: the panels of a tile are summed one after the other and meet in memory (gated kernels when the registers hold
/// one panel only).
struct ContractTiles {
  TileShape plain;    ///< many rows
  TileShape gated;    ///< many rows, value and gate panels in turn
  bool separateGated;
  TileShape few[4];   ///< for 1, 2, 3, 4 rows: more panels, because the weight's stream decides
  TileShape fewGated[4];
};

inline constexpr ContractTiles tilesAvx512 = {{8, 3}, {8, 2}, false, {{1, 8}, {2, 8}, {3, 4}, {4, 4}}, {{1, 8}, {2, 8}, {3, 4}, {4, 4}}};
inline constexpr ContractTiles tilesAvx2 = {{6, 1}, {6, 2}, true, {{1, 4}, {2, 2}, {3, 1}, {4, 1}}, {{1, 4}, {2, 2}, {3, 2}, {2, 2}}};

/// Rows of one task: a multiple of every tile's rows. 192 rows of 1280 floats stay in an L2 of 1 MiB or more while the weight streams by.
inline constexpr int64_t linearRowBlock = 192;
/// Rows from which on a task widens f16/bf16 panels once into its scratch instead of in every tile.
inline constexpr int64_t widenOnceRows = 24;
/// Panel groups are summed in blocks of K over all row tiles of the task: a block of about so many bytes stays in the first-level cache for
/// all of them, where a whole group would come from the second-level cache for every tile.
inline constexpr int64_t panelBlockBytes = 24 << 10;
/// Those of linear layers only when they are longer than this: shorter ones stay in L2 as a whole.
inline constexpr int64_t longPanelBytes = 768 << 10;
/// Rows of a task beyond this leave L2 before the next panels need them again: blocks are then twice as long, so that a tile has more of
/// what it fetched, and a tile fetches the next one's rows.
inline constexpr int64_t nearRowBytes = 1 << 20;
/// Lines of 16 terms whose conversion from 16 bits is written out in one step.
inline constexpr int64_t widenUnroll = 4;
/// Pixels of one convolution task: about convBlockElements / C pixels, so that the picture's rows stay in L2.
inline constexpr int64_t convBlockElements = 384 * 320, convMinBlock = 96, convMaxBlock = 384, convBlockUnit = 24;
/// Tiles of one Winograd plane in one task.
inline constexpr int64_t planeRowBlock = 264;
/// Terms that are summed in one chain before they join the total: bounds the rounding error (docs/rationale/kernel.md).
inline constexpr int64_t chunkTerms = 128, chunkMaxTerms = 160, planeChunkTerms = 32;
/// Convolutions of few channels: up to so many segments are summed in one chain when all of K fits one chunk.
inline constexpr int64_t maxChainedSegments = 7;
/// Rows whose stride is a multiple of this lie in one set of the first-level cache.
inline constexpr int64_t pageBytes = 4096;
/// Sums of outer products: a tile is `rows` scalars by `panels` vectors (not panels of 16), its columns a divisor of a task's block.
inline constexpr TileShape outerAvx512 = {8, 3}, outerAvx2 = {4, 3};
inline constexpr int64_t outerColumnBlock = 384, outerTotalsBytes = 8 * 3 * 64, outerPrefetchRows = 6;
/// Steps of the reduction that are written out, and bytes the weight is fetched ahead.
inline constexpr int64_t reductionUnroll = 4, prefetchBytes = 2048;
/// A launch is cut along the columns, when the rows alone give fewer tasks, into about `tasks` of them as long as each keeps
/// `flops`: a few tasks even when they are small, many (for many threads) when they stay large against the cost of a task.
struct TaskGoal {
  int64_t tasks, flops;
};
inline constexpr TaskGoal taskGoals[] = {{16, 400000}, {64, 8000000}};
/// Epilogues costlier than this (vector instructions) run in a loop over the rows instead of being written out per vector.
inline constexpr int inlineEpilogueCost = 4;

} // namespace hb::x86
