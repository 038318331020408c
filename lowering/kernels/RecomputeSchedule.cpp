#include "lowering/kernels/RecomputeGraph.h"

using namespace mlir;

namespace hb {

namespace {

/// Lays out the steps of one choice.
class Scheduler {
public:
  Scheduler(const RecomputeGraph &graph, const RecomputeChoice &choice, RecomputeSchedule &schedule) : graph_(graph), choice_(choice), schedule_(schedule) {}

  void run() {
    for (size_t value = 0; value < graph_.values.size(); ++value)
      schedule_.valueOf.push_back(static_cast<int>(value));
    schedule_.steps.reserve(2 * graph_.ops.size());
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const RecomputeGraph::Op &op = graph_.ops[i];
      RecomputeStep step;
      step.op = static_cast<int>(i);
      step.writes = op.writes;
      if (op.backward) {
        const int segment = segmentOf(op);
        for (int value : op.reads)
          step.reads.push_back(instance(value, segment, step.op));
      } else {
        step.reads = op.reads;
      }
      schedule_.steps.push_back(std::move(step));
    }
  }

private:
  /// The last piece of the forward part that a backward op reads of: the one whose gradient it belongs to.
  int segmentOf(const RecomputeGraph::Op &op) const {
    int segment = 0;
    for (int value : op.reads)
      if (int definition = graph_.values[value].definition; !graph_.ops[definition].backward)
        segment = std::max(segment, choice_.segmentOf[definition]);
    return segment;
  }

  bool isKept(int value) const {
    return choice_.saved[value] || graph_.isOutput[value] || !graph_.ops[graph_.values[value].definition].repeatable;
  }

  /// What stands for `value` in the gradient of a segment; its recomputation goes in front of `before` unless it is there already. An explicit
  /// stack: chains are as long as the network is deep.
  int instance(int wanted, int segment, int before) {
    if (isKept(wanted))
      return wanted;
    SmallVector<int> stack = {wanted};
    while (!stack.empty()) {
      int value = stack.back();
      if (copies_.contains({value, segment})) {
        stack.pop_back();
        continue;
      }
      int number = graph_.values[value].definition;
      const RecomputeGraph::Op &op = graph_.ops[number];
      bool ready = true;
      for (int read : op.reads)
        if (!isKept(read) && !copies_.contains({read, segment})) {
          stack.push_back(read);
          ready = false;
        }
      if (!ready)
        continue;
      RecomputeStep step;
      step.op = number;
      step.before = before;
      for (int read : op.reads)
        step.reads.push_back(isKept(read) ? read : copies_.lookup({read, segment}));
      for (int write : op.writes) {
        int copy = static_cast<int>(schedule_.valueOf.size());
        schedule_.valueOf.push_back(write);
        copies_[{write, segment}] = copy;
        step.writes.push_back(copy);
      }
      schedule_.cost += op.cost;
      schedule_.flops += op.flops;
      schedule_.steps.push_back(std::move(step));
      stack.pop_back();
    }
    return copies_.lookup({wanted, segment});
  }

  const RecomputeGraph &graph_;
  const RecomputeChoice &choice_;
  RecomputeSchedule &schedule_;
  llvm::DenseMap<std::pair<int, int>, int> copies_; ///< (value, segment) → instance
};

} // namespace

void findPeak(const RecomputeGraph &graph, RecomputeSchedule &schedule) {
  const size_t instances = schedule.valueOf.size();
  // Last use of each instance, from behind; what nobody uses is not done.
  std::vector<int> last(instances, -1);
  const int end = static_cast<int>(schedule.steps.size());
  for (size_t value = 0; value < graph.values.size(); ++value)
    if (graph.isOutput[value])
      last[value] = end;
  for (int i = end - 1; i >= 0; --i) {
    RecomputeStep &step = schedule.steps[i];
    step.live = llvm::any_of(step.writes, [&](int write) { return last[write] >= 0; });
    if (step.live)
      for (int read : step.reads)
        last[read] = std::max(last[read], i);
  }
  auto bytes = [&](int instance) { return graph.values[schedule.valueOf[instance]].bytes; };
  int64_t live = 0;
  schedule.peak = 0;
  std::vector<bool> taken(instances, false); // its place is another's now
  for (int i = 0; i < end; ++i) {
    const RecomputeStep &step = schedule.steps[i];
    if (!step.live)
      continue;
    const RecomputeGraph::Op &op = graph.ops[step.op];
    for (auto [w, write] : llvm::enumerate(step.writes)) {
      bool takesOver = false;
      for (auto [from, to] : op.inplace) {
        int read = step.reads[llvm::find(op.reads, from) - op.reads.begin()];
        if (to == op.writes[w] && last[read] == i && !taken[read] && bytes(read) == bytes(write) && bytes(read) > 0) {
          taken[read] = takesOver = true;
          break;
        }
      }
      if (!takesOver)
        live += bytes(write);
    }
    if (live + op.inside > schedule.peak) {
      schedule.peak = live + op.inside;
      schedule.peakStep = i;
    }
    for (int read : step.reads)
      if (last[read] == i && !taken[read]) {
        live -= bytes(read);
        taken[read] = true;
      }
    for (int write : step.writes)
      if (last[write] < 0)
        live -= bytes(write);
  }
}

RecomputeSchedule scheduleRecompute(const RecomputeGraph &graph, const RecomputeChoice &choice) {
  RecomputeSchedule schedule;
  Scheduler(graph, choice, schedule).run();
  findPeak(graph, schedule);
  return schedule;
}

} // namespace hb
