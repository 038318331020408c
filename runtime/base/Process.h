// How a process ends when the system takes something from it: signals for its files, no memory. For main functions: a library leaves
// its host's handlers alone.
#pragma once

namespace hb {

/// From here on, writing beyond the limit of file sizes (ulimit -f) is an error of the write (HB0901) and does not kill the process,
/// and reading a mapped file that somebody has shortened ends the process with HB0902, exit code 3, and no unfinished files.
void handleFileSignals();

/// From here on, an allocation that fails, in any thread, ends the process with HB0903 and exit code 4. `program` is its name.
void exitWhenOutOfMemory(const char *program);

/// What exitWhenOutOfMemory() does; for allocators that have a handler of their own.
[[noreturn]] void outOfMemory();

} // namespace hb
