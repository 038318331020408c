// Output files that appear whole or not at all.
#pragma once

#include "runtime/base/LiveFiles.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hb {

/// Writes to a temporary name in the target's folder; `commit` flushes to disk and renames. Without a commit (an error, an
/// exception, a return) the temporary file is removed and whatever was at the target's place before is untouched.
/// What is no regular file (a device, a pipe) is written as it stands. Every failure throws HB0901 naming the target.
class AtomicFile {
public:
  explicit AtomicFile(std::string path);
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;
  ~AtomicFile();

  void write(const void *data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }
  /// Bytes written so far.
  uint64_t position() const { return position_; }
  /// The target now holds everything that was written. Call once, last.
  void commit();

private:
  [[noreturn]] void fail(const std::string &found);
  void discard() noexcept;

  std::string path_, temporary_;
  LiveFile live_;
  int descriptor_ = -1;
  uint64_t position_ = 0;
};

/// One call for contents that are already in memory.
void writeFileAtomically(const std::string &path, std::string_view contents);

} // namespace hb
