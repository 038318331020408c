#include "runtime/device/cuda/CudaRecording.h"

#include "runtime/base/Error.h"

#include <algorithm>

namespace hb::cuda {
namespace {

/// Inner loops are unrolled into their graph up to this many commands; beyond it the host replays them.
constexpr uint64_t kMostUnrolled = 16384;

/// Commands a graph would have with all loops unrolled; more than kMostUnrolled when there is a loop that cannot be.
uint64_t unrolledSize(const PlacedCommand &placed) {
  const Command &command = *placed.command;
  if (command.kind != Command::Kind::Repeat)
    return 1;
  if (command.bindings.size() > 1)
    return kMostUnrolled + 1;
  uint64_t body = 1;
  for (const PlacedCommand &inner : placed.body)
    body += unrolledSize(inner);
  if (body > kMostUnrolled || static_cast<uint64_t>(command.maxTripCount) > kMostUnrolled)
    return kMostUnrolled + 1;
  return body * static_cast<uint64_t>(command.maxTripCount);
}

} // namespace

/// Times of launches by events around them, read in lots: waiting after each launch would leave the device idle in between.
class CudaRecording::Timer {
public:
  Timer(const CudaContext &context, std::vector<LaunchTime> &times) : context_(context), times_(times) {}

  template <typename Launch>
  void around(uint32_t launch, Launch body) {
    if (used_ == kLot)
      read();
    if (used_ == pairs_.size())
      pairs_.push_back(std::make_unique<Pair>(context_));
    Pair &pair = *pairs_[used_++];
    pair.launch = launch;
    pair.start.record();
    body();
    pair.end.record();
  }
  void read() {
    context_.synchronize();
    for (size_t i = 0; i < used_; ++i) {
      double seconds = pairs_[i]->end.secondsSince(pairs_[i]->start);
      times_[pairs_[i]->launch].add(seconds, seconds);
    }
    used_ = 0;
  }

private:
  static constexpr size_t kLot = 256;
  struct Pair {
    explicit Pair(const CudaContext &context) : start(context, kEventDefault), end(context, kEventDefault) {}
    uint32_t launch = 0;
    CudaEvent start, end;
  };
  const CudaContext &context_;
  std::vector<LaunchTime> &times_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  size_t used_ = 0;
};

CudaRecording::CudaRecording(const PlacedProgram &program, const CudaCode &code, const CudaContext &context)
    : program_(program), code_(code), context_(context), rounds_{{context, kEventDisableTiming}, {context, kEventDisableTiming}} {}

CudaRecording::~CudaRecording() {
  context_.enterToFree();
  for (GraphExecHandle executable : executables_)
    context_.driver().graphExecDestroy(executable);
}

std::vector<CudaRecording::Piece> CudaRecording::build(const std::vector<PlacedCommand> &commands, int depth) {
  std::vector<Piece> pieces;
  std::vector<const PlacedCommand *> row;
  auto flush = [&] {
    if (!row.empty())
      pieces.push_back({capture(row), nullptr, {}});
    row.clear();
  };
  for (const PlacedCommand &placed : commands) {
    const bool loop = placed.command->kind == Command::Kind::Repeat && (depth == 0 || unrolledSize(placed) > kMostUnrolled);
    if (!loop) {
      row.push_back(&placed);
      continue;
    }
    flush();
    pieces.push_back({nullptr, &placed, build(placed.body, depth + 1)});
  }
  flush();
  return pieces;
}

GraphExecHandle CudaRecording::capture(const std::vector<const PlacedCommand *> &commands) {
  const Driver &driver = context_.driver();
  context_.check(driver.streamBeginCapture(context_.stream(), kCaptureThreadLocal), "cuStreamBeginCapture");
  GraphHandle graph = nullptr;
  try {
    for (const PlacedCommand *placed : commands)
      enqueue(*placed);
  } catch (...) {
    if (driver.streamEndCapture(context_.stream(), &graph) == kSuccess && graph)
      driver.graphDestroy(graph);
    throw;
  }
  context_.check(driver.streamEndCapture(context_.stream(), &graph), "cuStreamEndCapture");
  GraphExecHandle executable = nullptr;
  Result result = driver.graphInstantiate(&executable, graph, 0);
  driver.graphDestroy(graph);
  context_.check(result, "cuGraphInstantiate");
  executables_.push_back(executable);
  return executable;
}

void CudaRecording::setCounter(const PlacedCommand &repeat, int64_t value) {
  // Two halves of an int64: a fill needs no memory of the host that would have to outlive the call.
  Address counter = addressOf(addresses(repeat)[0]);
  context_.check(context_.driver().memsetD32Async(counter, static_cast<unsigned>(value), 1, context_.stream()), "cuMemsetD32Async");
  context_.check(context_.driver().memsetD32Async(counter + 4, static_cast<unsigned>(value >> 32), 1, context_.stream()), "cuMemsetD32Async");
}

void CudaRecording::enqueueCopy(const PlacedCommand &placed) {
  Address from = addressOf(addresses(placed)[0]), to = addressOf(addresses(placed)[1]);
  uint64_t bytes = placed.command->bytes;
  if (from == to || bytes == 0)
    return;
  if (std::max(from, to) - std::min(from, to) < bytes)
    throw Error(406, program_.name, "copies between buffers that do not overlap", std::to_string(bytes) + " bytes over themselves", "compile the model again");
  context_.check(context_.driver().memcpyDtoDAsync(to, from, bytes, context_.stream()), "cuMemcpyDtoDAsync");
}

void CudaRecording::enqueue(const PlacedCommand &placed) {
  const Command &command = *placed.command;
  switch (command.kind) {
  case Command::Kind::Launch:
    code_.launch(command.kernel, addresses(placed), command.bindings.size());
    break;
  case Command::Kind::Copy:
    enqueueCopy(placed);
    break;
  case Command::Kind::Repeat:
    for (int64_t i = 0; i < command.maxTripCount; ++i) {
      setCounter(placed, i);
      for (const PlacedCommand &inner : placed.body)
        enqueue(inner);
    }
    break;
  }
}

int64_t CudaRecording::tripCount(const PlacedCommand &repeat, const RunHooks &hooks) const {
  return repeat.command->bindings.size() > 1 ? hooks.tripCount(repeat) : repeat.command->maxTripCount;
}

bool CudaRecording::run(const RunHooks &hooks) {
  context_.enter();
  bool finished = true;
  if (hooks.times || hooks.afterLaunch) {
    std::unique_ptr<Timer> timer = hooks.times ? std::make_unique<Timer>(context_, *hooks.times) : nullptr;
    finished = step(program_.commands, hooks, timer.get(), 0);
    if (timer)
      timer->read();
  } else {
    if (executables_.empty())
      pieces_ = build(program_.commands, 0);
    finished = play(pieces_, hooks, 0);
  }
  context_.synchronize();
  return finished;
}

bool CudaRecording::play(const std::vector<Piece> &pieces, const RunHooks &hooks, int depth) {
  for (const Piece &piece : pieces) {
    if (piece.graph) {
      context_.check(context_.driver().graphLaunch(piece.graph, context_.stream()), "cuGraphLaunch");
      continue;
    }
    int64_t count = tripCount(*piece.loop, hooks);
    for (int64_t i = 0; i < count; ++i) {
      if (depth == 0 && hooks.onStep) {
        // The device works on one round while the caller is asked about the next: it never waits for him, and he is at most a round ahead.
        if (i >= 2)
          rounds_[i % 2].wait();
        if (!hooks.onStep(i, count))
          return false;
      }
      setCounter(*piece.loop, i);
      if (!play(piece.body, hooks, depth + 1))
        return false;
      if (depth == 0 && hooks.onStep)
        rounds_[i % 2].record();
    }
  }
  return true;
}

bool CudaRecording::step(const std::vector<PlacedCommand> &commands, const RunHooks &hooks, Timer *timer, int depth) {
  for (const PlacedCommand &placed : commands) {
    switch (placed.command->kind) {
    case Command::Kind::Launch:
      if (timer)
        timer->around(placed.launch, [&] { enqueue(placed); });
      else
        enqueue(placed);
      if (hooks.afterLaunch) {
        context_.synchronize();
        if (!hooks.afterLaunch(placed))
          return false;
      }
      break;
    case Command::Kind::Copy:
      enqueue(placed);
      break;
    case Command::Kind::Repeat: {
      int64_t count = tripCount(placed, hooks);
      for (int64_t i = 0; i < count; ++i) {
        if (depth == 0 && hooks.onStep && !hooks.onStep(i, count))
          return false;
        setCounter(placed, i);
        if (!step(placed.body, hooks, timer, depth + 1))
          return false;
      }
      break;
    }
    }
  }
  return true;
}

} // namespace hb::cuda
