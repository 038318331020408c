// The files a process has mapped and those it has not finished, in tables that a signal handler may read.
#pragma once

#include <cstddef>
#include <string>

namespace hb {

/// An entry of one of the tables while it lives. The tables are of fixed size; a file that finds them full is simply not in them.
class LiveFile {
public:
  LiveFile() = default;
  ~LiveFile() { end(); }
  LiveFile(LiveFile &&other) noexcept : slot_(other.slot_) { other.slot_ = nullptr; }
  LiveFile &operator=(LiveFile &&other) noexcept;

  /// `path` is mapped at these bytes, and printed by the handler as it stands.
  static LiveFile mapped(const std::string &path, const void *data, size_t size);
  /// `path` is a temporary file, to be removed if the process ends here.
  static LiveFile unfinished(const std::string &path);

private:
  void end() noexcept;
  void *slot_ = nullptr;
};

/// Both are safe in signal handlers. The path is null when no mapped file has that address.
const char *pathMappedAt(const void *address) noexcept;
void removeUnfinishedFiles() noexcept;

} // namespace hb
