#include "lowering/plan/Timeline.h"

#include "lowering/kernels/Source.h"
#include "lowering/plan/Arena.h"

#include <map>

using namespace mlir;

namespace hb {
namespace {

class Reader {
public:
  explicit Reader(plan::ProgramOp program) : program_(program) {}

  Timeline run() {
    block(program_.getBody().front(), -1);
    tick(grad::Stage::forward); // what is copied to outputs at the end
    timeline_.commands = clock_;
    finish();
    return std::move(timeline_);
  }

private:
  struct Place {
    int64_t offset = 0, bytes = 0, begin = 0, end = 0;
    int home = -1; ///< the loop whose body it is first written in
    Operation *writer = nullptr;
    grad::Stage stage = grad::Stage::forward;
    bool readLater = false;                     ///< by a launch of another stage
    std::vector<std::pair<int64_t, int>> touches; ///< command and loop
  };

  int64_t tick(grad::Stage stage) {
    timeline_.stages.push_back(stage);
    return clock_++;
  }

  void touch(Operation *op, Attribute binding, int64_t number, int64_t when, int loop) {
    auto arena = dyn_cast<plan::ArenaAttr>(binding);
    if (!arena)
      return;
    auto [entry, isNew] = places_.try_emplace(number);
    Place &place = entry->second;
    if (isNew) {
      place.offset = arena.getOffset(), place.bytes = arena.getSize();
      place.begin = place.end = when;
      place.home = loop;
      place.writer = op;
      place.stage = grad::stageOf(op->getLoc());
      order_.push_back(number);
    }
    place.touches.push_back({when, loop});
    place.readLater |= isa<plan::LaunchOp>(op) && grad::stageOf(op->getLoc()) != grad::Stage::forward;
  }

  void block(Block &commands, int loop) {
    for (Operation &op : commands) {
      auto numbers = op.getAttrOfType<DenseI64ArrayAttr>("values");
      if (!numbers)
        continue;
      if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
        const int64_t when = tick(grad::stageOf(op.getLoc()));
        for (auto [binding, number] : llvm::zip(launch.getBindings(), numbers.asArrayRef()))
          touch(&op, binding, number, when, loop);
      } else if (auto copy = dyn_cast<plan::CopyOp>(op)) {
        // Copies belong to the beginning or the end of a loop, or to the end of the program: they take no time of their own.
        touch(&op, copy.getSource(), numbers[0], clock_, loop);
        touch(&op, copy.getTarget(), numbers[1], clock_, loop);
      } else if (auto repeat = dyn_cast<plan::RepeatOp>(op)) {
        const int inner = static_cast<int>(timeline_.loops.size());
        const int64_t begin = tick(grad::stageOf(op.getLoc()));
        parents_.push_back(loop);
        timeline_.loops.push_back({begin, begin, static_cast<int64_t>(repeat.getMaxTripCount()), !repeat.getCount(), loop < 0 ? 0 : timeline_.loops[loop].depth + 1});
        touch(&op, repeat.getCounter(), numbers[0], begin, loop);
        if (repeat.getCount() && numbers.size() > 1)
          touch(&op, *repeat.getCount(), numbers[1], begin, loop);
        block(repeat.getBody().front(), inner);
        const int64_t end = tick(grad::stageOf(op.getLoc()));
        timeline_.loops[inner].end = end;
        touch(&op, repeat.getCounter(), numbers[0], end, loop);
      }
    }
  }

  /// Until when a place of `home` is needed by what happens at `when` in `loop`: in a loop that `home` is outside of, until that loop ends.
  int64_t neededUntil(int64_t when, int loop, int home) const {
    while (loop != home && loop >= 0) {
      when = timeline_.loops[loop].end;
      loop = parents_[loop];
    }
    return when;
  }

  static std::string nameOf(Operation *writer) {
    if (auto launch = dyn_cast<plan::LaunchOp>(writer)) {
      std::string path = modulePath(writer->getLoc());
      return path.empty() ? launch.getKernel().str() : path;
    }
    return isa<plan::RepeatOp>(writer) ? "loop counter" : "carried value";
  }

  void finish() {
    std::map<std::pair<int64_t, int64_t>, size_t> endingAt; // {offset, last command}: values
    for (int64_t number : order_) {
      Place &place = places_[number];
      for (auto [when, loop] : place.touches)
        place.end = std::max(place.end, neededUntil(when, loop, place.home));
      TimelineValue value{place.bytes, std::max(roundUp(place.bytes), kArenaAlignment), place.begin, place.end, MemoryKind::working, nameOf(place.writer), sourceText(place.writer->getLoc())};
      value.kind = place.stage == grad::Stage::backward    ? MemoryKind::gradient
                   : place.stage == grad::Stage::recompute ? MemoryKind::recomputed
                   : place.readLater                       ? MemoryKind::saved
                                                           : MemoryKind::working;
      // A result in the place of an operand that dies here: one of the two is counted.
      if (auto before = endingAt.find({place.offset, place.begin}); before != endingAt.end() && timeline_.values[before->second].begin < place.begin)
        --timeline_.values[before->second].end;
      endingAt[{place.offset, place.end}] = timeline_.values.size();
      timeline_.values.push_back(std::move(value));
    }
  }

  plan::ProgramOp program_;
  Timeline timeline_;
  int64_t clock_ = 0;
  std::vector<int> parents_; ///< of loops
  std::map<int64_t, Place> places_;
  std::vector<int64_t> order_;
};

} // namespace

std::vector<Timeline::Kinds> Timeline::occupied() const {
  std::vector<Kinds> at(static_cast<size_t>(commands));
  for (const TimelineValue &value : values) {
    const size_t kind = static_cast<size_t>(value.kind);
    at[static_cast<size_t>(value.begin)][kind] += value.occupied;
    if (value.end + 1 < commands)
      at[static_cast<size_t>(value.end) + 1][kind] -= value.occupied;
  }
  for (size_t i = 1; i < at.size(); ++i)
    for (size_t kind = 0; kind < kMemoryKinds; ++kind)
      at[i][kind] += at[i - 1][kind];
  return at;
}

Timeline timelineOf(plan::ProgramOp program) { return Reader(program).run(); }

} // namespace hb
