#include "tools/hb-rt/TrainRanks.h"

#include "runtime/base/Error.h"

#include <cstdio>
#include <exception>
#include <unistd.h>

namespace hb::rt {
namespace {

constexpr int kLookMs = 50, kReasonMs = 300;

} // namespace

RankWatch::RankWatch(Ranks &ranks, Trainer &trainer, const InterruptGuard &interrupt)
    : ranks_(ranks), trainer_(trainer), interrupt_(interrupt), lifeline_(ranks), exceptions_(std::uncaught_exceptions()), thread_([this] { watch(); }) {}

RankWatch::~RankWatch() {
  finished_ = true;
  thread_.join();
  if (std::uncaught_exceptions() == exceptions_)
    lifeline_.farewell(false);
}

void RankWatch::watch() {
  while (!finished_) {
    Lifeline::News news = lifeline_.wait(kLookMs);
    if (finished_)
      return;
    // mpirun terminates the others when one dies: a signal may come with the loss of a rank, which is then the reason.
    if (news.event == Lifeline::Event::None && interrupt_.requested()) {
      news = lifeline_.wait(kReasonMs);
      if (news.event == Lifeline::Event::None)
        news = {Lifeline::Event::Interrupted, ranks_.rank()};
    }
    if (news.event != Lifeline::Event::None)
      end(news);
  }
}

void RankWatch::end(Lifeline::News news) {
  bool interrupted = news.event == Lifeline::Event::Interrupted;
  if (interrupted)
    lifeline_.farewell(true);
  // Every rank has the same state; rank 0 writes it, or rank 1 when rank 0 is the one that is gone.
  std::string written = "rank " + std::to_string(ranks_.rank() == 0 ? 0 : 1) + " writes the checkpoint";
  if (ranks_.rank() == (news.event == Lifeline::Event::Lost && news.rank == 0 ? 1 : 0)) {
    try {
      written = "a checkpoint of step " + std::to_string(trainer_.saveNow()) + " is written";
    } catch (const std::exception &error) {
      written = std::string("no checkpoint could be written (") + error.what() + ")";
    }
  }
  if (interrupted) {
    std::fprintf(stderr, "note: rank %d: interrupted; %s: continue with --resume latest.\n", ranks_.rank(), written.c_str());
    ::_exit(static_cast<int>(ExitCode::Interrupted));
  }
  Error error(667, "rank " + std::to_string(news.rank), "a process that takes part in the run", "none: it has ended", written + "; continue with --resume latest");
  std::fprintf(stderr, "%s\n", error.what());
  ::_exit(static_cast<int>(ExitCode::RunTime));
}

} // namespace hb::rt
