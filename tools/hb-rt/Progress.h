// Progress on stderr, and a clean end on Ctrl-C.
#pragma once

#include <cstdint>
#include <string>

namespace hb::rt {

/// "45 s", "12 min" or "3.4 h".
std::string durationText(double seconds);

/// A bar on a terminal, one line per step otherwise; with rate and time left. Silent when asked to be.
class Progress {
public:
  explicit Progress(bool quiet);
  /// `done` of `total` steps are finished.
  void step(int64_t done, int64_t total);
  void end();

private:
  bool quiet_, terminal_, drawn_ = false;
  double started_ = 0;
};

/// While alive, the first SIGINT or SIGTERM only sets a flag; the second ends the process as usual.
class InterruptGuard {
public:
  InterruptGuard();
  ~InterruptGuard();
  bool requested() const;
};

} // namespace hb::rt
