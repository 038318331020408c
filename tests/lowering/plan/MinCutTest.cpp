// The minimum cut that chooses what to keep, against trying every subset.
#include "lowering/kernels/MinCut.h"

#include <gtest/gtest.h>

#include <random>
#include <tuple>

namespace hb {
namespace {

struct Graph {
  int nodes = 0; // 0 is the source, 1 the sink
  std::vector<std::tuple<int, int, int64_t>> edges;

  int64_t capacityOf(unsigned withSource) const {
    int64_t sum = 0;
    for (auto [from, to, capacity] : edges)
      if ((withSource >> from & 1) && !(withSource >> to & 1))
        sum += capacity;
    return sum;
  }
  int64_t smallestCut() const {
    int64_t best = INT64_MAX;
    for (unsigned set = 0; set < 1u << nodes; ++set)
      if ((set & 1) && !(set & 2))
        best = std::min(best, capacityOf(set));
    return best;
  }
};

TEST(MinCut, AgreesWithEverySubset) {
  std::mt19937 random(5);
  MinCut cut;
  for (int round = 0; round < 300; ++round) {
    Graph graph;
    graph.nodes = 2 + static_cast<int>(random() % 9);
    for (unsigned i = 0, count = random() % 30; i < count; ++i) {
      int from = static_cast<int>(random() % graph.nodes), to = static_cast<int>(random() % graph.nodes);
      if (from != to)
        graph.edges.push_back({from, to, random() % 20});
    }
    cut.clear();
    for (int i = 0; i < graph.nodes; ++i)
      cut.addNode();
    for (auto [from, to, capacity] : graph.edges)
      cut.addEdge(from, to, capacity);
    const int64_t flow = cut.run(0, 1);
    ASSERT_EQ(flow, graph.smallestCut()) << "round " << round;
    unsigned side = 0;
    for (int i = 0; i < graph.nodes; ++i)
      side |= static_cast<unsigned>(cut.isWithSource(i)) << i;
    ASSERT_EQ(graph.capacityOf(side), flow) << "round " << round;
  }
}

TEST(MinCut, LongChainsAndNoWayThrough) {
  MinCut cut;
  constexpr int kLength = 100000;
  int source = cut.addNode(), at = source;
  for (int i = 0; i < kLength; ++i) {
    int next = cut.addNode();
    cut.addEdge(at, next, i == kLength / 2 ? 3 : 7);
    at = next;
  }
  EXPECT_EQ(cut.run(source, at), 3);
  EXPECT_TRUE(cut.isWithSource(kLength / 2));
  EXPECT_FALSE(cut.isWithSource(kLength / 2 + 1));
  int lonely = cut.addNode();
  EXPECT_EQ(cut.run(source, lonely), 0);
  cut.addEdge(source, lonely, MinCut::kInfinite);
  EXPECT_GE(cut.run(source, lonely), MinCut::kInfinite);
}

} // namespace
} // namespace hb
