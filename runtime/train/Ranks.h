// The processes of one training run: each computes other samples, all make the same optimizer steps.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace hb {

/// What data parallel training needs of a message passing library. Every rank makes the same calls in the same order; a failure throws HB0667.
class Ranks {
public:
  virtual ~Ranks() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// `mine` is one piece of `count` numbers per rank. `all` gets the pieces meant for this rank, in the order of the ranks they come from.
  virtual void exchange(const float *mine, float *all, size_t count) = 0;
  /// `all` gets everybody's `mine`, in the order of ranks.
  virtual void gather(const void *mine, void *all, size_t bytes) = 0;
};

/// The one rank of a run in one process.
Ranks &oneRank();

/// How many processes the launcher of this one has started (Open MPI's mpirun says so in the environment); 1 without a launcher.
int launchedProcesses();
/// Which of this machine's processes this one is, by what mpirun says; 0 without it.
int localRank();

/// Joins the other processes through MPI. The library is loaded now, from `libhb-mpi.so` beside this program, so that programs start and train
/// alone where MPI is not installed. HB0669 when it cannot be had or finds another number of processes than were launched: training
/// several times alone in one folder is never what was meant.
std::unique_ptr<Ranks> joinMpi();

} // namespace hb
