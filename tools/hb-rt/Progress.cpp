#include "tools/hb-rt/Progress.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace hb::rt {
namespace {

volatile std::sig_atomic_t gInterrupted = 0;

void onSignal(int signal) {
  gInterrupted = 1;
  std::signal(signal, SIG_DFL);
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

} // namespace

std::string durationText(double seconds) {
  char text[40];
  if (seconds < 90)
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  else if (seconds < 5400)
    std::snprintf(text, sizeof text, "%.0f min", seconds / 60);
  else
    std::snprintf(text, sizeof text, "%.1f h", seconds / 3600);
  return text;
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO)), started_(now()) {}

void Progress::step(int64_t done, int64_t total) {
  if (quiet_)
    return;
  double elapsed = now() - started_, rate = done > 0 ? done / elapsed : 0;
  char tail[80];
  if (done > 0)
    std::snprintf(tail, sizeof tail, "%.2f steps/s, %.0f s left", rate, (total - done) / rate);
  else
    std::snprintf(tail, sizeof tail, "starting");
  if (terminal_) {
    constexpr int kWidth = 30;
    int filled = static_cast<int>(done * kWidth / total);
    std::fprintf(stderr, "\r[%s%s] step %lld/%lld, %s   ", std::string(filled, '#').c_str(), std::string(kWidth - filled, '.').c_str(), static_cast<long long>(done), static_cast<long long>(total), tail);
    drawn_ = true;
  } else {
    std::fprintf(stderr, "step %lld/%lld, %s\n", static_cast<long long>(done), static_cast<long long>(total), tail);
  }
}

void Progress::end() {
  if (drawn_)
    std::fprintf(stderr, "\n");
}

InterruptGuard::InterruptGuard() {
  gInterrupted = 0;
  std::signal(SIGINT, onSignal);
  std::signal(SIGTERM, onSignal);
}

InterruptGuard::~InterruptGuard() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

bool InterruptGuard::requested() const { return gInterrupted != 0; }

} // namespace hb::rt
