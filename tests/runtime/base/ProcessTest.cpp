#include "runtime/base/Process.h"
#include "runtime/base/AtomicFile.h"
#include "runtime/base/MappedFile.h"
#include "tests/runtime/base/ScratchFolder.h"

#include <csignal>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

namespace hb {
namespace {

using test::ScratchFolder;

constexpr size_t kBytes = 64 * 1024;

/// In a child process: the mapping's last page is read after somebody has shortened the file.
[[noreturn]] void readShortened(const ScratchFolder &folder) {
  handleFileSignals();
  MappedFile first(folder.write("shard", std::string(kBytes, 'x')));
  MappedFile file = std::move(first); // the entry of the table moves along
  AtomicFile unfinished(folder.path("out.bin"));
  unfinished.write("half");
  if (::truncate(folder.path("shard").c_str(), 4096) != 0)
    ::_exit(99);
  volatile auto value = file.bytes()[kBytes - 1];
  (void)value;
  ::_exit(98);
}

TEST(Process, AShortenedFileIsNamedAndNothingIsLeft) {
  ScratchFolder folder;
  EXPECT_EXIT(readShortened(folder), testing::ExitedWithCode(3), "error HB0902: .*/shard: expected a file that keeps its length");
  EXPECT_EQ(folder.fileCount(), 1u) << "the unfinished file went too";
}

/// A mapping that is none of ours, and one of ours that is gone: the signal keeps its meaning.
[[noreturn]] void readForeign(const ScratchFolder &folder) {
  handleFileSignals();
  { MappedFile gone(folder.write("foreign", std::string(kBytes, 'x'))); }
  FileReader file(folder.path("foreign"));
  auto *data = static_cast<volatile char *>(::mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE, file.descriptor(), 0));
  if (::truncate(folder.path("foreign").c_str(), 0) != 0)
    ::_exit(99);
  ::_exit(data[0]);
}

TEST(Process, OtherFaultsStayFaults) {
  ScratchFolder folder;
  EXPECT_EXIT(readForeign(folder), testing::KilledBySignal(SIGBUS), "");
}

[[noreturn]] void writeTooMuch(const ScratchFolder &folder) {
  handleFileSignals();
  struct rlimit limit {
    4096, 4096
  };
  ::setrlimit(RLIMIT_FSIZE, &limit);
  try {
    writeFileAtomically(folder.path("out.bin"), std::string(kBytes, 'x'));
  } catch (const Error &error) {
    ::_exit(error.number() == 901 ? 0 : 1);
  }
  ::_exit(2);
}

TEST(Process, TheLimitOfFileSizesIsAnError) {
  ScratchFolder folder;
  EXPECT_EXIT(writeTooMuch(folder), testing::ExitedWithCode(0), "");
  EXPECT_EQ(folder.fileCount(), 0u);
}

} // namespace
} // namespace hb
