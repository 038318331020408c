#include "runtime/base/MappedFile.h"

#include "runtime/base/Error.h"
#include "runtime/base/Memory.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace hb {
namespace {

[[noreturn]] void failRead(const std::string &path, const std::string &found) {
  throw Error(902, printable(path, 1024), "a readable file", found, "check the path and the permissions");
}

} // namespace

FileReader::FileReader(const std::string &path) : path_(path) {
  // O_NONBLOCK: opening a named pipe must fail below, not wait for a writer.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0)
    failRead(path, std::strerror(errno));
  struct stat info;
  bool known = ::fstat(descriptor_, &info) == 0;
  if (known && S_ISREG(info.st_mode)) {
    size_ = static_cast<uint64_t>(info.st_size);
    return;
  }
  std::string found = !known ? std::strerror(errno) : S_ISDIR(info.st_mode) ? "a folder" : "something that is no regular file";
  ::close(descriptor_);
  failRead(path, found);
}

FileReader::~FileReader() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

void FileReader::read(uint64_t offset, void *target, size_t size) const {
  auto *to = static_cast<char *>(target);
  while (size > 0) {
    ssize_t got = ::pread(descriptor_, to, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      failRead(path_, got < 0 ? std::strerror(errno) : "the file's end, too early");
    to += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
}

MappedFile::MappedFile(const std::string &path) : path_(path) {
  FileReader file(path);
  if (file.size() == 0)
    return; // an empty mapping is an error of mmap, not of the file
  void *data = file.size() > SIZE_MAX ? MAP_FAILED : ::mmap(nullptr, static_cast<size_t>(file.size()), PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (data == MAP_FAILED && errno == ENOMEM) {
    MemoryLimit limit = availableMemory();
    throw Error(903, printable(path, 1024), std::to_string(file.size()) + " bytes of address space", std::to_string(limit.bytes) + " available (" + limit.source + ")", "raise the limit");
  }
  if (data == MAP_FAILED)
    failRead(path, std::string("it could not be mapped: ") + std::strerror(errno));
  data_ = static_cast<const std::byte *>(data);
  size_ = file.size();
  live_ = LiveFile::mapped(printable(path, 1000), data, static_cast<size_t>(size_));
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), live_(std::move(other.live_)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(live_, other.live_);
  return *this;
}

void MappedFile::drop(std::span<const std::byte> part) const {
  // A fault brings in the neighbours of its page too, 64 KiB at once by default (Linux, mm/memory.c, fault_around_bytes): rounded outwards, nothing of them stays.
  constexpr uintptr_t kAround = 64 << 10;
  if (part.empty() || part.data() < data_ || part.data() + part.size() > data_ + size_)
    return;
  auto first = reinterpret_cast<uintptr_t>(data_), begin = reinterpret_cast<uintptr_t>(part.data()), end = begin + part.size();
  begin = std::max(first, begin / kAround * kAround);
  end = std::min(first + static_cast<uintptr_t>(size_), (end + kAround - 1) / kAround * kAround);
  // A hint: where the system refuses it, the pages stay until it needs them.
  ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_)
    ::munmap(const_cast<std::byte *>(data_), static_cast<size_t>(size_));
}

std::string readTextFile(const std::string &path, uint64_t limit) {
  FileReader file(path);
  if (file.size() > limit)
    failRead(path, std::to_string(file.size()) + " bytes, more than the " + std::to_string(limit) + " such a file may have");
  std::string text(static_cast<size_t>(file.size()), '\0');
  file.read(0, text.data(), text.size());
  return text;
}

bool isFile(const std::string &path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string whyNoFile(const std::string &path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0)
    return errno == ENOENT ? "no such file" : std::strerror(errno);
  return S_ISDIR(info.st_mode) ? "a folder" : S_ISREG(info.st_mode) ? "a file" : "something that is no regular file";
}

bool isDirectory(const std::string &path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

} // namespace hb
