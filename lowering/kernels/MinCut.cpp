#include "lowering/kernels/MinCut.h"

#include <algorithm>

namespace hb {

void MinCut::clear() {
  edges_.clear();
  first_.clear();
}

int MinCut::addNode() {
  first_.push_back(-1);
  return static_cast<int>(first_.size()) - 1;
}

void MinCut::addEdge(int from, int to, int64_t capacity) {
  edges_.push_back({to, first_[from], capacity});
  first_[from] = static_cast<int>(edges_.size()) - 1;
  edges_.push_back({from, first_[to], 0});
  first_[to] = static_cast<int>(edges_.size()) - 1;
}

bool MinCut::findLevels(int source, int sink) {
  level_.assign(first_.size(), -1);
  std::vector<int> queue = {source};
  level_[source] = 0;
  for (size_t head = 0; head < queue.size(); ++head)
    for (int e = first_[queue[head]]; e >= 0; e = edges_[e].next)
      if (edges_[e].left > 0 && level_[edges_[e].to] < 0) {
        level_[edges_[e].to] = level_[queue[head]] + 1;
        queue.push_back(edges_[e].to);
      }
  return level_[sink] >= 0;
}

/// One augmenting path of the level graph; 0 when there is none left. Iterative: chains of recomputation are thousands of ops long.
int64_t MinCut::push(int source, int sink) {
  path_.clear();
  int node = source;
  while (node != sink) {
    int &e = at_[node];
    while (e >= 0 && !(edges_[e].left > 0 && level_[edges_[e].to] == level_[node] + 1))
      e = edges_[e].next;
    if (e >= 0) {
      path_.push_back(e);
      node = edges_[e].to;
      continue;
    }
    if (path_.empty())
      return 0;
    node = edges_[path_.back() ^ 1].to; // a dead end: step back over the edge that led here and never take it again
    path_.pop_back();
    at_[node] = edges_[at_[node]].next;
  }
  int64_t amount = kInfinite;
  for (int e : path_)
    amount = std::min(amount, edges_[e].left);
  for (int e : path_) {
    edges_[e].left -= amount;
    edges_[e ^ 1].left += amount;
  }
  return amount;
}

int64_t MinCut::run(int source, int sink) {
  int64_t flow = 0;
  while (flow < kInfinite && findLevels(source, sink)) {
    at_ = first_;
    while (int64_t amount = push(source, sink)) {
      flow += amount;
      if (flow >= kInfinite)
        break;
    }
  }
  findLevels(source, sink);
  return flow;
}

} // namespace hb
