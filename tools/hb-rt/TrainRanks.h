// A training run in several processes: joining them, and ending together.
#pragma once

#include "runtime/train/Lifeline.h"
#include "runtime/train/Trainer.h"
#include "tools/hb-rt/Progress.h"

#include <atomic>
#include <memory>
#include <thread>

namespace hb::rt {

/// Watches the other ranks and the user while a run goes on. When one is gone or the user wants to stop, the run cannot go on here either, and the
/// training thread may be inside a batch of minutes or wait for the dead one: this thread writes the checkpoint and ends the process (exit code 1 or 130).
class RankWatch {
public:
  RankWatch(Ranks &ranks, Trainer &trainer, const InterruptGuard &interrupt);
  /// Stops watching; the others learn that this end is a good one, unless an error is on its way.
  ~RankWatch();

private:
  void watch();
  [[noreturn]] void end(Lifeline::News news);

  Ranks &ranks_;
  Trainer &trainer_;
  const InterruptGuard &interrupt_;
  Lifeline lifeline_;
  int exceptions_;
  std::atomic<bool> finished_ = false;
  std::thread thread_;
};

} // namespace hb::rt
