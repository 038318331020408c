// How ranks notice that another one is gone: a connection from each to rank 0, which the system closes when a process ends, however it ends.
#pragma once

#include "runtime/train/Ranks.h"

#include <string>
#include <vector>

namespace hb {

/// A process that waits in a message of MPI for a dead one may wait for ever; the other end of a socket learns of it at once.
class Lifeline {
public:
  /// Connects; every rank must construct one. HB0667 when ranks cannot reach rank 0 within a minute.
  explicit Lifeline(Ranks &ranks);
  Lifeline(const Lifeline &) = delete;
  Lifeline &operator=(const Lifeline &) = delete;
  ~Lifeline();

  enum class Event { None, Lost, Interrupted };
  struct News {
    Event event = Event::None;
    int rank = -1; ///< whose
  };
  /// Waits at most so long for news of another rank.
  News wait(int milliseconds);
  /// Tells the others, before this process ends on its own: finished (its end is no loss), or interrupted by the user.
  void farewell(bool interrupted);

private:
  struct Peer {
    int rank, socket;
  };
  std::vector<Peer> peers_;
};

} // namespace hb
