#include "runtime/base/AtomicFile.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hb {
namespace {

std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

} // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  struct stat info;
  bool exists = ::stat(path_.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode))
    fail("a folder of that name");
  if (exists && !S_ISREG(info.st_mode)) { // /dev/null, /dev/stdout, a pipe: a rename would put a file in its place
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor_ < 0)
      fail(std::strerror(errno));
    return;
  }
  // Through a link to the file itself, which may be on another disk; the link stays.
  if (char *target = exists ? ::realpath(path_.c_str(), nullptr) : nullptr) {
    path_ = target;
    std::free(target);
  }
  // The process id and a counter keep two writers of one target apart; O_EXCL settles what is left.
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = "." + baseName(path_).substr(0, 180) + "." + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp";
    temporary_ = joinPath(folderOf(path_), name);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) {
      live_ = LiveFile::unfinished(temporary_);
      return;
    }
    if (errno != EEXIST)
      break;
  }
  int reason = errno;
  temporary_.clear();
  fail(std::strerror(reason));
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0)
    ::close(descriptor_);
  descriptor_ = -1;
  if (!temporary_.empty())
    ::unlink(temporary_.c_str());
  live_ = {};
  temporary_.clear();
}

void AtomicFile::fail(const std::string &found) {
  discard();
  throw Error(901, printable(path_, 1024), "a file that can be written", found, "nothing was left there; free space or choose another place");
}

void AtomicFile::write(const void *data, size_t size) {
  const auto *from = static_cast<const char *>(data);
  position_ += size;
  while (size > 0) {
    ssize_t put = ::write(descriptor_, from, size);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      fail(std::strerror(errno));
    from += put;
    size -= static_cast<size_t>(put);
  }
}

void AtomicFile::commit() {
  // Data before name: after a power cut the target must be the old file or the whole new one.
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS)
    fail(std::strerror(errno));
  int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0)
    fail(std::strerror(errno));
  if (temporary_.empty()) // a device or a pipe has everything already
    return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail(std::strerror(errno));
  live_ = {};
  temporary_.clear();
  // The rename itself lives in the folder. Failure here is no failure of the file: some file systems cannot sync folders.
  int folder = ::open(folderOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    (void)::fsync(folder);
    ::close(folder);
  }
}

void writeFileAtomically(const std::string &path, std::string_view contents) {
  AtomicFile file(path);
  file.write(contents);
  file.commit();
}

} // namespace hb
