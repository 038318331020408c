#include "runtime/train/Ranks.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/train/MpiTable.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <exception>
#include <unistd.h>

namespace hb {
namespace {

class OneRank : public Ranks {
public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void exchange(const float *mine, float *all, size_t count) override { std::memcpy(all, mine, count * sizeof(float)); }
  void gather(const void *mine, void *all, size_t bytes) override { std::memcpy(all, mine, bytes); }
};

class MpiRanks : public Ranks {
public:
  explicit MpiRanks(const HbMpiTable &table) : table_(table) { require(table_.start(&rank_, &size_), "starting MPI"); }
  // Waits for all ranks, so that none ends while another still needs it; but a rank that ends by an error must not wait for those that wait for it.
  ~MpiRanks() override {
    if (std::uncaught_exceptions() == exceptions_)
      table_.finish();
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void exchange(const float *mine, float *all, size_t count) override { require(table_.exchange(mine, all, count), "exchanging gradients"); }
  void gather(const void *mine, void *all, size_t bytes) override { require(table_.gather(mine, all, bytes), "collecting from all ranks"); }

private:
  void require(int code, const char *what) {
    if (!code)
      return;
    char text[512] = "";
    table_.explain(code, text, sizeof text);
    throw Error(667, "rank " + std::to_string(rank_), what, printable(text), "continue with --resume latest");
  }
  const HbMpiTable &table_;
  int rank_ = 0, size_ = 1, exceptions_ = std::uncaught_exceptions();
};

[[noreturn]] void noMpi(const std::string &where, const std::string &found) {
  throw Error(669, where, "MPI for " + std::to_string(launchedProcesses()) + " processes", found, "install Open MPI (Debian: libopenmpi3) and start with its mpirun, or start one process");
}

/// The plugin of this build: bin/hb-rt and lib/libhb-mpi.so, installed or in a build folder.
std::string pluginPath() {
  char path[4096];
  ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  std::string folder(path, length > 0 ? static_cast<size_t>(length) : 0);
  folder = folder.substr(0, folder.rfind('/'));
  return joinPath(folder.substr(0, folder.rfind('/')), "lib/libhb-mpi.so");
}

} // namespace

Ranks &oneRank() {
  static OneRank one;
  return one;
}

int launchedProcesses() {
  const char *count = std::getenv("OMPI_COMM_WORLD_SIZE");
  int processes = count ? std::atoi(count) : 1;
  return processes > 1 ? processes : 1;
}

int localRank() {
  const char *rank = std::getenv("OMPI_COMM_WORLD_LOCAL_RANK");
  return rank ? std::max(0, std::atoi(rank)) : 0;
}

std::unique_ptr<Ranks> joinMpi() {
  std::string path = pluginPath();
  // Waiting ranks give their processor away; whoever sets it otherwise is obeyed.
  ::setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
  // Global, because Open MPI's own plugins look for the library's symbols.
  void *library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library) {
    const char *reason = ::dlerror();
    noMpi(printable(path, 1024), reason ? printable(reason) : "no reason given");
  }
  auto function = reinterpret_cast<HbMpiTableFunction>(::dlsym(library, "hbMpiTable"));
  const HbMpiTable *table = function ? function() : nullptr;
  if (!table || table->version != HB_MPI_TABLE_VERSION)
    noMpi(printable(path, 1024), "a library of another version");
  auto ranks = std::make_unique<MpiRanks>(*table);
  if (ranks->size() != launchedProcesses())
    noMpi(printable(path, 1024), std::to_string(ranks->size()));
  return ranks;
}

} // namespace hb
