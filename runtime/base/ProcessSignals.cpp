#include "runtime/base/ProcessSignals.h"

#include "runtime/base/Error.h"
#include "runtime/base/LiveFiles.h"

#include <csignal>
#include <cstring>
#include <unistd.h>

namespace hb {
namespace {

void say(const char *text) { (void)!::write(STDERR_FILENO, text, std::strlen(text)); }

/// Only what signal-safety(7) allows: the mapping's pages are gone, and no stack frame can be asked to give up.
void onBusError(int, siginfo_t *info, void *) {
  const char *path = pathMappedAt(info->si_addr);
  if (!path) { // a real fault: back to the default, and the instruction runs into it again
    std::signal(SIGBUS, SIG_DFL);
    return;
  }
  removeUnfinishedFiles();
  say("error HB0902: ");
  say(path);
  say(": expected a file that keeps its length while it is read; found a shorter one, or a device that failed; "
      "replace files by renaming new ones over them, and run the command again\n");
  ::_exit(static_cast<int>(ExitCode::BadFile));
}

} // namespace

void handleFileSignals() {
  std::signal(SIGXFSZ, SIG_IGN);
  struct sigaction action = {};
  action.sa_sigaction = onBusError;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

} // namespace hb
