#include "runtime/base/AtomicFile.h"
#include "tests/runtime/base/ScratchFolder.h"

#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hb {
namespace {

using test::contentsOf;
using test::expectError;
using test::ScratchFolder;

TEST(AtomicFile, CommitWritesTheWholeFileAndNothingElse) {
  ScratchFolder folder;
  AtomicFile file(folder.path("out.bin"));
  file.write("hello ");
  file.write("world");
  EXPECT_EQ(file.position(), 11u);
  EXPECT_FALSE(std::filesystem::exists(folder.path("out.bin"))) << "the target appears only at commit";
  file.commit();
  EXPECT_EQ(contentsOf(folder.path("out.bin")), "hello world");
  EXPECT_EQ(folder.fileCount(), 1u);
}

TEST(AtomicFile, WithoutCommitTheOldFileStays) {
  ScratchFolder folder;
  folder.write("out.bin", "old");
  {
    AtomicFile file(folder.path("out.bin"));
    file.write("new");
  }
  EXPECT_EQ(contentsOf(folder.path("out.bin")), "old");
  EXPECT_EQ(folder.fileCount(), 1u);
}

TEST(AtomicFile, ExceptionWhileWritingLeavesNothing) {
  ScratchFolder folder;
  try {
    AtomicFile file(folder.path("out.bin"));
    file.write("half");
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(folder.fileCount(), 0u);
}

TEST(AtomicFile, ReplacesAnExistingFile) {
  ScratchFolder folder;
  folder.write("out.bin", "a much longer old content");
  writeFileAtomically(folder.path("out.bin"), "new");
  EXPECT_EQ(contentsOf(folder.path("out.bin")), "new");
}

TEST(AtomicFile, MissingFolderIsNamed) {
  ScratchFolder folder;
  expectError(901, [&] { AtomicFile file(folder.path("none/out.bin")); }, {"none/out.bin"});
}

TEST(AtomicFile, FolderAtTheTargetIsRefusedBeforeWriting) {
  ScratchFolder folder;
  std::filesystem::create_directory(folder.path("out.bin"));
  expectError(901, [&] { AtomicFile file(folder.path("out.bin")); }, {"a folder of that name"});
  EXPECT_EQ(folder.fileCount(), 1u);
}

/// In a child process: a limit on the file size makes write(2) fail as a full disk does.
[[noreturn]] void writeBeyondTheLimit(const ScratchFolder &folder) {
  ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit {
    4096, 4096
  };
  ::setrlimit(RLIMIT_FSIZE, &limit);
  bool refused = false;
  try {
    AtomicFile file(folder.path("out.bin"));
    file.write(std::string(100000, 'x'));
    file.commit();
  } catch (const Error &error) {
    refused = error.number() == 901;
  }
  ::_exit(refused && folder.fileCount() == 0 ? 0 : 1);
}

TEST(AtomicFile, FullDiskLeavesNothing) {
  ScratchFolder folder;
  EXPECT_EXIT(writeBeyondTheLimit(folder), testing::ExitedWithCode(0), "");
}

TEST(AtomicFile, LinksStayAndTheirFilesChange) {
  ScratchFolder folder;
  folder.write("there/real.bin", "old");
  std::filesystem::create_symlink("there/real.bin", folder.path("link"));
  writeFileAtomically(folder.path("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link")));
  EXPECT_EQ(contentsOf(folder.path("there/real.bin")), "new");
}

TEST(AtomicFile, DevicesAndPipesAreWrittenAsTheyStand) {
  ScratchFolder folder;
  ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
  int reader = ::open(folder.path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  writeFileAtomically(folder.path("pipe"), "through");
  char text[8] = {};
  ASSERT_EQ(::read(reader, text, 7), 7);
  EXPECT_STREQ(text, "through");
  ::close(reader);
  EXPECT_EQ(folder.fileCount(), 1u);
  ASSERT_TRUE(std::filesystem::is_fifo(folder.path("pipe"))); // before a device of the machine is risked
  expectError(901, [] { writeFileAtomically("/dev/full", "much"); }, {"/dev/full", "No space left"});
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST(AtomicFile, NamesWithoutAFolderAreRelative) {
  ScratchFolder folder;
  auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  writeFileAtomically("plain.txt", "x");
  std::filesystem::current_path(before);
  EXPECT_EQ(contentsOf(folder.path("plain.txt")), "x");
}

} // namespace
} // namespace hb
