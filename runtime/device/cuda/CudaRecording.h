// A program as CUDA graphs: one for each stretch without a decision of the host, so that running it is a few calls of the driver.
#pragma once

#include "runtime/device/cuda/CudaCode.h"

#include <memory>
#include <vector>

namespace hb::cuda {

/// Commands in a row become one graph, inner loops of a fixed number of rounds unrolled into it. The body of an outermost loop is a graph of
/// its own that the host replays, asking the caller before each round; so is that of a loop whose trip count is known only when it runs.
/// With times or a look at each launch wanted, commands go into the stream one by one instead.
class CudaRecording : public Recording {
public:
  CudaRecording(const PlacedProgram &program, const CudaCode &code, const CudaContext &context);
  ~CudaRecording() override;
  bool run(const RunHooks &hooks) override;

  /// Graphs made, for tests.
  size_t graphs() const { return executables_.size(); }

private:
  /// A graph, or a loop over pieces.
  struct Piece {
    GraphExecHandle graph = nullptr;
    const PlacedCommand *loop = nullptr;
    std::vector<Piece> body;
  };
  class Timer;

  std::vector<Piece> build(const std::vector<PlacedCommand> &commands, int depth);
  GraphExecHandle capture(const std::vector<const PlacedCommand *> &commands);
  /// Puts a command into the stream; loops are unrolled.
  void enqueue(const PlacedCommand &placed);
  void enqueueCopy(const PlacedCommand &placed);
  void setCounter(const PlacedCommand &repeat, int64_t value);
  int64_t tripCount(const PlacedCommand &repeat, const RunHooks &hooks) const;
  bool play(const std::vector<Piece> &pieces, const RunHooks &hooks, int depth);
  bool step(const std::vector<PlacedCommand> &commands, const RunHooks &hooks, Timer *timer, int depth);
  std::byte *const *addresses(const PlacedCommand &placed) const { return program_.addresses.data() + placed.firstAddress; }

  const PlacedProgram &program_;
  const CudaCode &code_;
  const CudaContext &context_;
  std::vector<Piece> pieces_;
  std::vector<GraphExecHandle> executables_;
  CudaEvent rounds_[2]; ///< ends of the last two rounds of an outermost loop
};

} // namespace hb::cuda
