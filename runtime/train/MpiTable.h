/* What libhb-mpi.so offers: the only file of the project that includes mpi.h is behind this table, because MPI has no binary interface
   that its implementations share. Functions return 0, or MPI's error code. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HB_MPI_TABLE_VERSION 1

struct HbMpiTable {
  int version;
  int (*start)(int *rank, int *size);
  int (*exchange)(const float *mine, float *all, size_t count);
  int (*gather)(const void *mine, void *all, size_t bytes);
  void (*finish)(void);
  void (*explain)(int code, char *text, size_t size);
};

/// The plugin's one symbol: const HbMpiTable *hbMpiTable(void).
typedef const struct HbMpiTable *(*HbMpiTableFunction)(void);

#ifdef __cplusplus
}
#endif
