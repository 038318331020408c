// Memory of the host as kernels want it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace hb {

/// 64-byte aligned memory with a readable tail (HB_READABLE_TAIL_BYTES). HB0903 when the system has no more.
class AlignedBuffer {
public:
  AlignedBuffer() = default;
  /// `where` and `purpose` are for the message.
  AlignedBuffer(uint64_t size, const std::string &where, const std::string &purpose);
  std::byte *data() const { return data_.get(); }
  uint64_t size() const { return size_; }
  /// Gives the memory away; to be freed with std::free.
  std::byte *release() { return data_.release(); }
  explicit operator bool() const { return data_ != nullptr; }

private:
  struct Free {
    void operator()(std::byte *p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  uint64_t size_ = 0;
};

} // namespace hb
