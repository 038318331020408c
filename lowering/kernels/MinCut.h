// The cheapest set of edges whose removal separates two nodes of a directed graph.
#pragma once

#include <cstdint>
#include <vector>

namespace hb {

/// Maximum flow by blocking flows on level graphs (Dinic 1970), whose residual graph shows a minimum cut (Ford & Fulkerson 1956).
/// Deterministic. Meant for graphs of a few thousand nodes, one after the other: `clear` keeps the memory.
class MinCut {
public:
  static constexpr int64_t kInfinite = INT64_MAX / 4;

  void clear();
  int addNode();
  void addEdge(int from, int to, int64_t capacity);
  /// The capacity of the cut; kInfinite or more when nothing separates the two.
  int64_t run(int source, int sink);
  /// After run: on the source's side of the cut nearest to the source.
  bool isWithSource(int node) const { return level_[node] >= 0; }

private:
  struct Edge {
    int to, next; ///< next edge of the same node, −1 at the end
    int64_t left; ///< capacity not used yet; edge ^ 1 is the way back
  };
  bool findLevels(int source, int sink);
  int64_t push(int source, int sink);

  std::vector<Edge> edges_;
  std::vector<int> first_, level_, at_, path_;
};

} // namespace hb
