// Signals that the kernel sends a process for its files. For main functions: a library leaves its host's handlers alone.
#pragma once

namespace hb {

/// From here on, writing beyond the limit of file sizes (ulimit -f) is an error of the write (HB0901) and does not kill the process,
/// and reading a mapped file that somebody has shortened ends the process with HB0902, exit code 3, and no unfinished files.
void handleFileSignals();

} // namespace hb
