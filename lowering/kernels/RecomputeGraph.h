// A differentiated function as the choice of what to recompute sees it: ops, the values that need memory, and what each costs. Numbers
// instead of IR, so that hundreds of choices can be tried.
#pragma once

#include "dialects/kernel/Kernel.h"

#include <vector>

namespace hb {

struct RecomputeGraph {
  struct Op {
    mlir::Operation *op = nullptr;
    llvm::SmallVector<int, 4> reads, writes;                ///< values, each once
    llvm::SmallVector<std::pair<int, int>, 1> inplace;      ///< a read value and the written one that may take its place
    int64_t cost = 0;                                       ///< of doing it again, in floating point operations
    int64_t flops = 0;
    int64_t inside = 0;                                     ///< bytes that a loop's body needs while it runs
    bool backward = false;                                  ///< it or what it reads is part of a gradient
    bool repeatable = false;                                ///< a single kernel of the forward part; loops are not done twice
  };
  struct Value {
    mlir::Value value;
    int64_t bytes = 0; ///< in the arena; 0 for outputs, which lie with the caller
    int definition = -1;
  };

  std::vector<Op> ops; ///< in order
  std::vector<Value> values;
  std::vector<bool> isOutput;   ///< of values
  std::vector<bool> isWanted;   ///< of values: a backward op reads it and a forward op defines it
  llvm::DenseMap<mlir::Value, int> numbers;

  explicit RecomputeGraph(mlir::func::FuncOp func);

  /// The value behind views; −1 for what needs no memory of its own: inputs, weights, constants.
  int numberOf(mlir::Value value) const;
  bool hasBackward() const;

private:
  void add(mlir::Operation *op);
  int define(mlir::Value value, int op);
};

/// What is kept for the backward part, and in which pieces the rest is done again.
struct RecomputeChoice {
  std::vector<bool> saved;      ///< of values; only wanted ones and what their recomputation starts from matter
  std::vector<int> segmentOf;   ///< of ops of the forward part: contiguous pieces, numbered in order
};

/// One command of the program that a choice leads to.
struct RecomputeStep {
  int op = -1;
  int before = -1;                         ///< for a recomputation: the backward op in front of which it is done; −1 for the op itself
  llvm::SmallVector<int, 4> reads, writes; ///< instances: numbers below the number of values are the values themselves, others copies
  bool live = false;                       ///< something uses it
};

struct RecomputeSchedule {
  std::vector<RecomputeStep> steps;
  std::vector<int> valueOf; ///< of instances
  int64_t cost = 0, flops = 0; ///< of what is done again
  int64_t peak = 0; ///< most bytes alive at one step
  int peakStep = 0;
};

/// The commands in order, each recomputation as late as possible, and what they need. Each segment's recomputation has copies of its own, so
/// that no copy outlives the backward ops of its segment.
RecomputeSchedule scheduleRecompute(const RecomputeGraph &graph, const RecomputeChoice &choice);

/// The largest sum of bytes alive at a step, with results that take over the place of dying operands.
void findPeak(const RecomputeGraph &graph, RecomputeSchedule &schedule);

/// Cuts the forward part where little is alive, into pieces with about `bytes` of wanted values each.
std::vector<int> segmentForward(const RecomputeGraph &graph, int64_t bytes);

/// What a kept byte costs, in floating point operations. Networks repeat themselves: at one price, all of their blocks change their mind at once. So
/// the first segments can have another price than the rest.
struct BytePrice {
  double rest = 0, first = 0;
  int segments = 0; ///< how many have the price `first`
};

/// Segment by segment, the last first: which values to keep (a minimum cut each).
RecomputeChoice chooseSaved(const RecomputeGraph &graph, std::vector<int> segmentOf, const BytePrice &price);

} // namespace hb
