// The weights of a module: found in the user's checkpoint, checked against the compiled signature, packed on first use.
#pragma once

#include "runtime/formats/Checkpoint.h"
#include "runtime/module/Module.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace hb {

/// 64-byte aligned memory with a readable tail (HB_READABLE_TAIL_BYTES). HB0903 when the system has no more.
class AlignedBuffer {
public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(uint64_t size);
  std::byte *data() const { return data_.get(); }
  uint64_t size() const { return size_; }
  explicit operator bool() const { return data_ != nullptr; }

private:
  struct Free {
    void operator()(std::byte *p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  uint64_t size_ = 0;
};

/// The factors of one adapter slot as kernels read them: `a` [R, in], `b` [out, R], `scale` [R]; unused rows are zero.
struct AdapterFactors {
  std::vector<float> a, b, scale;
};

class WeightStore {
public:
  /// Opens the checkpoint of every scope the module uses and compares it with the signature before anything is allocated.
  /// `directory` replaces the place recorded at compile time when it is not empty.
  /// Throws HB0210 – HB0233 (damaged or different checkpoint).
  WeightStore(const Module &module, const std::string &directory);

  /// The packed weight, ready for kernels; packs it (or maps it, when the file's bytes serve as they are) on first use.
  const std::byte *get(size_t index);
  /// Packs everything a program binds, so that running it allocates nothing.
  void prepare(const Program &program);

  /// Sets the factors of adapter slots (key: scope + "\n" + path); slots not named become zero. Repacks what was packed.
  void setAdapters(std::map<std::string, AdapterFactors> factors);

  /// Bytes of packed copies so far (weights used in place cost none).
  uint64_t packedBytes() const { return packedBytes_; }

private:
  struct Entry {
    const std::byte *ready = nullptr;
    AlignedBuffer buffer;
  };

  std::string scopePath(const ScopePath &scope, const std::string &directory) const;
  void pack(size_t index);

  const Module &module_;
  std::map<std::string, Checkpoint> checkpoints_;
  std::vector<Entry> entries_;
  std::map<std::string, AdapterFactors> adapters_;
  uint64_t packedBytes_ = 0;
};

} // namespace hb
