// A file mapped read-only into memory.
#pragma once

#include "runtime/base/LiveFiles.h"

#include <cstdint>
#include <span>
#include <string>

namespace hb {

/// Maps a regular file; empty files are valid and have size 0. Movable, unmaps on destruction.
///
/// Pages are shared with every other process that maps the file and cost no private memory. A file that another process
/// shortens while it is mapped ends this process with SIGBUS, as with every mapping (see Process.h): replace checkpoints by renaming.
class MappedFile {
public:
  MappedFile() = default;
  /// Throws HB0902 when the file does not exist, is no regular file or cannot be read, HB0903 when no address space is left.
  explicit MappedFile(const std::string &path);
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  const std::string &path() const { return path_; }
  uint64_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data_, static_cast<size_t>(size_)}; }
  /// Takes the pages around `part` (bytes of this file) out of this process's memory. They may still be read: they come back from the file or the
  /// system's cache of it. Safe while other threads read them.
  void drop(std::span<const std::byte> part) const;

private:
  std::string path_;
  const std::byte *data_ = nullptr;
  uint64_t size_ = 0;
  LiveFile live_;
};

/// An open descriptor of a regular file for reading at offsets without a mapping; closes on destruction.
class FileReader {
public:
  /// Throws HB0902 as MappedFile does.
  explicit FileReader(const std::string &path);
  FileReader(const FileReader &) = delete;
  FileReader &operator=(const FileReader &) = delete;
  ~FileReader();

  uint64_t size() const { return size_; }
  int descriptor() const { return descriptor_; }
  /// Reads exactly `size` bytes at `offset`; HB0902 when the file ends before.
  void read(uint64_t offset, void *target, size_t size) const;

private:
  std::string path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

/// The whole file as a string. HB0902 when it cannot be read or is larger than `limit` bytes (configs and tables are small;
/// a huge file at their place is a mistake that must not eat the memory).
std::string readTextFile(const std::string &path, uint64_t limit = 64u << 20);

/// True when `path` names a regular file (symbolic links are followed: download caches are made of them).
bool isFile(const std::string &path);
bool isDirectory(const std::string &path);
/// Why isFile() said no, for "found …": "no such file", "Permission denied", "a folder", …
std::string whyNoFile(const std::string &path);

} // namespace hb
