#include "runtime/train/WholeFolder.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <system_error>
#include <unistd.h>

namespace hb {
namespace fs = std::filesystem;
namespace {

constexpr const char *kTemporary = ".hb-tmp-";
constexpr const char *kRemoved = ".hb-old-";

/// `folder/name` as `folder/<mark>name`.
std::string beside(const std::string &path, const char *mark) {
  fs::path p(path);
  return (p.parent_path() / (mark + p.filename().string())).string();
}

[[noreturn]] void fail(const std::string &path, const std::string &reason) {
  throw Error(901, printable(path, 1024), "a folder that can be written", reason, "free space or choose another place");
}

/// Names live in folders: without this a power cut may forget the rename.
void flushFolder(const std::string &path) {
  int descriptor = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0) {
    (void)::fsync(descriptor);
    ::close(descriptor);
  }
}

std::string withoutSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  return path;
}

} // namespace

void makeFolders(const std::string &path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path, error))
    fail(path, error ? error.message() : "a file of that name");
}

WholeFolder::WholeFolder(std::string target) : target_(withoutSlash(std::move(target))), temporary_(beside(target_, kTemporary)) {
  std::error_code error;
  fs::remove_all(temporary_, error);
  makeFolders(temporary_);
}

WholeFolder::~WholeFolder() {
  std::error_code error;
  if (!temporary_.empty())
    fs::remove_all(temporary_, error);
}

void WholeFolder::commit() {
  flushFolder(temporary_);
  std::error_code error;
  std::string old = beside(target_, kRemoved);
  bool replaces = fs::exists(target_, error);
  if (replaces) {
    fs::remove_all(old, error);
    if (::rename(target_.c_str(), old.c_str()) != 0)
      fail(target_, std::strerror(errno));
  }
  if (::rename(temporary_.c_str(), target_.c_str()) != 0)
    fail(target_, std::strerror(errno));
  temporary_.clear();
  flushFolder(fs::path(target_).parent_path().string());
  if (replaces)
    fs::remove_all(old, error);
}

void removeWholeFolder(const std::string &path) {
  std::error_code error;
  std::string old = beside(withoutSlash(path), kRemoved);
  fs::remove_all(old, error);
  if (::rename(path.c_str(), old.c_str()) == 0)
    fs::remove_all(old, error);
}

void removeLeftovers(const std::string &folder) {
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    if (name.rfind(kTemporary, 0) == 0 || name.rfind(kRemoved, 0) == 0)
      fs::remove_all(entry.path(), error);
  }
}

} // namespace hb
