#include "runtime/base/Process.h"

#include "runtime/base/Error.h"
#include "runtime/base/LiveFiles.h"
#include "runtime/base/Memory.h"

#include <csignal>
#include <cstring>
#include <new>
#include <string>
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

const char *gProgram = "";

} // namespace

void handleFileSignals() {
  std::signal(SIGXFSZ, SIG_IGN);
  struct sigaction action = {};
  action.sa_sigaction = onBusError;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

void outOfMemory() {
  removeUnfinishedFiles();
  std::set_new_handler(nullptr); // the sentence below needs some bytes itself
  try {
    MemoryLimit limit = availableMemory();
    Error error(903, gProgram, "more memory", "only " + std::to_string(limit.bytes) + " bytes available (" + limit.source + ")", "choose a smaller batch or picture, or make room");
    say((std::string(error.what()) + "\n").c_str());
  } catch (const std::bad_alloc &) {
    say("error HB0903: expected more memory; found none left; choose a smaller batch or picture, or make room\n");
  }
  ::_exit(static_cast<int>(ExitCode::NoMemory));
}

void exitWhenOutOfMemory(const char *program) {
  gProgram = program;
  std::set_new_handler(outOfMemory);
}

} // namespace hb
