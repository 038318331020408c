// Copies between host and device through a little pinned memory: the driver can then move one piece while the next is prepared, and
// what is copied may lie anywhere (in a mapped file, in the caller's arrays).
#pragma once

#include "runtime/device/cuda/CudaContext.h"

#include <memory>

namespace hb::cuda {

class Staging {
public:
  explicit Staging(const CudaContext &context);
  ~Staging();
  Staging(const Staging &) = delete;
  Staging &operator=(const Staging &) = delete;

  /// The host's bytes may change as soon as it returns.
  void toDevice(Address to, const void *from, uint64_t bytes);
  /// The bytes are there when it returns.
  void toHost(void *to, Address from, uint64_t bytes);

private:
  struct Slot {
    std::byte *memory = nullptr;
    std::unique_ptr<CudaEvent> done;
    bool busy = false;
  };
  Slot &next();

  const CudaContext &context_;
  Slot slots_[2];
  unsigned turn_ = 0;
};

} // namespace hb::cuda
