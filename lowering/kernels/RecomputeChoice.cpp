// What to keep and what to compute again, as a minimum cut. Keeping everything costs memory, computing everything again costs one more forward
// pass and as much memory, since all of it would be alive at once. So the forward part is cut into segments first, and only what lies inside a
// segment is computed again, in front of that segment's gradient (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"); which of
// its values are worth keeping nevertheless is decided exactly.
#include "lowering/kernels/MinCut.h"
#include "lowering/kernels/RecomputeGraph.h"

using namespace mlir;

namespace hb {

std::vector<int> segmentForward(const RecomputeGraph &graph, int64_t bytes) {
  // What is alive between two ops of the forward part: what a recomputation that starts there would read.
  std::vector<int> forward;
  std::vector<int> lastUse(graph.values.size(), -1);
  for (size_t i = 0; i < graph.ops.size(); ++i)
    if (!graph.ops[i].backward) {
      for (int read : graph.ops[i].reads)
        lastUse[read] = static_cast<int>(i);
      forward.push_back(static_cast<int>(i));
    }
  std::vector<int> segmentOf(graph.ops.size(), 0);
  int64_t alive = 0, wanted = 0, narrowest = INT64_MAX;
  int segment = 0;
  size_t begin = 0, best = 0;
  int64_t wantedAtBest = 0;
  for (size_t position = 0; position < forward.size(); ++position) {
    const RecomputeGraph::Op &op = graph.ops[forward[position]];
    for (int write : op.writes) {
      if (lastUse[write] >= 0)
        alive += graph.values[write].bytes;
      if (graph.isWanted[write])
        wanted += graph.values[write].bytes;
    }
    for (int read : op.reads)
      if (lastUse[read] == forward[position])
        alive -= graph.values[read].bytes;
    segmentOf[forward[position]] = segment;
    // Equally narrow: the later place.
    if (2 * wanted >= bytes && alive <= narrowest) {
      narrowest = alive;
      best = position + 1;
      wantedAtBest = wanted;
    }
    if (wanted < bytes || best <= begin)
      continue;
    ++segment;
    for (size_t i = best; i <= position; ++i)
      segmentOf[forward[i]] = segment;
    begin = best;
    wanted -= wantedAtBest;
    narrowest = INT64_MAX;
  }
  return segmentOf;
}

namespace {

/// The cut of one segment.
class SegmentCut {
public:
  SegmentCut(const RecomputeGraph &graph, RecomputeChoice &choice) : graph_(graph), choice_(choice) {}

  /// `wanted`: values of this and earlier segments that the segment's backward ops read.
  void run(int segment, ArrayRef<int> wanted, double price) {
    cut_.clear();
    price_ = price;
    keep_.clear();
    redo_.clear();
    source_ = cut_.addNode();
    sink_ = cut_.addNode();
    segment_ = segment;
    for (int value : wanted)
      if (isOpen(value))
        cut_.addEdge(source_, need(value), MinCut::kInfinite);
    while (!work_.empty()) {
      int op = work_.pop_back_val();
      for (int read : graph_.ops[op].reads)
        if (isOpen(read))
          cut_.addEdge(redo_[op], need(read), MinCut::kInfinite);
    }
    cut_.run(source_, sink_);
    for (auto [value, node] : keep_)
      if (cut_.isWithSource(node) && !(isRedoable(value) && cut_.isWithSource(redo_[graph_.values[value].definition])))
        choice_.saved[value] = true;
  }

private:
  bool isOpen(int value) const { return !choice_.saved[value] && !graph_.isOutput[value]; }
  bool isRedoable(int value) const {
    int definition = graph_.values[value].definition;
    return graph_.ops[definition].repeatable && choice_.segmentOf[definition] == segment_;
  }

  /// The node that is on the source's side when the value has to be there.
  int need(int value) {
    auto [entry, isNew] = keep_.try_emplace(value, 0);
    if (!isNew)
      return entry->second;
    int node = entry->second = cut_.addNode();
    // At least 1: of two choices that cost nothing, the one that keeps less is found.
    auto capacity = std::max<int64_t>(1, static_cast<int64_t>(price_ * static_cast<double>(graph_.values[value].bytes)));
    if (!isRedoable(value)) {
      cut_.addEdge(node, sink_, capacity);
      return node;
    }
    int definition = graph_.values[value].definition;
    auto [redo, first] = redo_.try_emplace(definition, 0);
    if (first) {
      redo->second = cut_.addNode();
      cut_.addEdge(redo->second, sink_, std::max<int64_t>(1, graph_.ops[definition].cost));
      work_.push_back(definition);
    }
    cut_.addEdge(node, redo->second, capacity);
    return node;
  }

  const RecomputeGraph &graph_;
  RecomputeChoice &choice_;
  double price_ = 0;
  MinCut cut_;
  int source_ = 0, sink_ = 0, segment_ = 0;
  llvm::MapVector<int, int> keep_; ///< value → node
  llvm::DenseMap<int, int> redo_;  ///< op → node
  SmallVector<int> work_;
};

} // namespace

RecomputeChoice chooseSaved(const RecomputeGraph &graph, std::vector<int> segmentOf, const BytePrice &price) {
  RecomputeChoice choice{std::vector<bool>(graph.values.size(), false), std::move(segmentOf)};
  const int segments = choice.segmentOf.empty() ? 0 : *llvm::max_element(choice.segmentOf) + 1;
  std::vector<SmallVector<int>> wanted(segments);
  for (const RecomputeGraph::Op &op : graph.ops) {
    if (!op.backward)
      continue;
    SmallVector<int> reads;
    int segment = 0;
    for (int value : op.reads)
      if (int definition = graph.values[value].definition; !graph.ops[definition].backward) {
        reads.push_back(value);
        segment = std::max(segment, choice.segmentOf[definition]);
      }
    if (!reads.empty())
      wanted[segment].append(reads);
  }
  SegmentCut cut(graph, choice);
  for (int segment = segments - 1; segment >= 0; --segment) {
    llvm::sort(wanted[segment]);
    wanted[segment].erase(llvm::unique(wanted[segment]), wanted[segment].end());
    cut.run(segment, wanted[segment], segment < price.segments ? price.first : price.rest);
  }
  return choice;
}

} // namespace hb
