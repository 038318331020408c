#include "runtime/base/AlignedBuffer.h"

#include "runtime/abi/kernel.h"
#include "runtime/base/Error.h"
#include "runtime/base/Memory.h"

#include <cstdlib>
#include <cstring>

namespace hb {

void AlignedBuffer::Free::operator()(std::byte *p) const { std::free(p); }

AlignedBuffer::AlignedBuffer(uint64_t size, const std::string &where, const std::string &purpose) : size_(size) {
  requireMemory(size, where, purpose);
  uint64_t bytes = (size + HB_READABLE_TAIL_BYTES + 63) / 64 * 64;
  data_.reset(static_cast<std::byte *>(std::aligned_alloc(64, bytes)));
  if (!data_)
    throw Error(903, where, std::to_string(bytes) + " bytes of memory (" + purpose + ")", "none left", "close other programs or choose a smaller batch or picture");
  std::memset(data_.get() + size, 0, bytes - size);
}

} // namespace hb
