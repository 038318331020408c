// libhb-mpi.so: MPI behind a table of functions (see MpiTable.h).
#include "runtime/train/MpiTable.h"

#include <climits>
#include <cstdio>
#include <mpi.h>

namespace {

int start(int *rank, int *size) {
  int provided = 0;
  // Only the training thread calls MPI; others exist.
  if (int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided))
    return code;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (int code = MPI_Comm_rank(MPI_COMM_WORLD, rank))
    return code;
  return MPI_Comm_size(MPI_COMM_WORLD, size);
}

int exchange(const float *mine, float *all, size_t count) {
  if (count > INT_MAX)
    return MPI_ERR_COUNT;
  return MPI_Alltoall(mine, static_cast<int>(count), MPI_FLOAT, all, static_cast<int>(count), MPI_FLOAT, MPI_COMM_WORLD);
}

int gather(const void *mine, void *all, size_t bytes) {
  if (bytes > INT_MAX)
    return MPI_ERR_COUNT;
  return MPI_Allgather(mine, static_cast<int>(bytes), MPI_BYTE, all, static_cast<int>(bytes), MPI_BYTE, MPI_COMM_WORLD);
}

void finish() { MPI_Finalize(); }

void explain(int code, char *text, size_t size) {
  char long_text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, long_text, &length);
  std::snprintf(text, size, "%s", long_text);
}

} // namespace

extern "C" __attribute__((visibility("default"))) const HbMpiTable *hbMpiTable(void) {
  static const HbMpiTable table = {HB_MPI_TABLE_VERSION, start, exchange, gather, finish, explain};
  return &table;
}
