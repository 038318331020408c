// Packed weights on disk: written once for a checkpoint and a table of weights, mapped read-only afterwards.
//
// A cache file is the packed weights one after the other, each 64-byte aligned and followed by at least HB_READABLE_TAIL_BYTES,
// then the identity text and the sizes, then a fixed tail with a magic word, lengths and checksums. Everything that makes the
// file valid stands at its end, so a file cut off anywhere is not valid.
#pragma once

#include "runtime/base/AtomicFile.h"
#include "runtime/base/MappedFile.h"
#include "runtime/params/SampledHash.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hb {

struct PackCacheOptions {
  bool enabled = false;
  std::string directory;                         ///< empty: packCacheDirectory()
  uint64_t limitBytes = uint64_t(20) << 30;      ///< of all cache files together; those not used longest go first
  uint64_t minimumBytes = uint64_t(256) << 20;   ///< weights that pack to less are packed anew each time
  std::function<void(const std::string &)> warn; ///< complete sentences; the run goes on without the cache
};

/// $XDG_CACHE_HOME/hummingbird, else ~/.cache/hummingbird; empty when neither variable is set.
std::string packCacheDirectory();

/// Where piece i of a cache file with these sizes starts; the last element is where the pieces end.
std::vector<uint64_t> packCacheOffsets(const std::vector<uint64_t> &sizes);

/// Writes one cache file, piece by piece in order. Several processes may write the same one: the last rename wins, and the
/// contents are the same. Without commit() nothing is left. HB0901.
class PackCacheWriter {
public:
  PackCacheWriter(const std::string &path, std::string identity, std::vector<uint64_t> sizes);
  void append(std::span<const std::byte> piece);
  void commit();

private:
  void put(std::span<const std::byte> bytes);

  std::string identity_;
  std::vector<uint64_t> sizes_, offsets_;
  size_t next_ = 0;
  AtomicFile file_;
  SampledHash samples_;
};

/// The folder of cache files.
class PackCache {
public:
  /// Makes the folder. A cache that cannot be used warns once and finds and writes nothing.
  explicit PackCache(PackCacheOptions options);

  bool usable() const { return usable_; }
  const PackCacheOptions &options() const { return options_; }
  /// The file of this identity, checked; nothing when there is none. A damaged one warns and counts as none.
  std::optional<MappedFile> find(const std::string &identity, const std::vector<uint64_t> &sizes) const;
  /// Makes room and starts a file; null (after a warning) when it cannot be had.
  std::unique_ptr<PackCacheWriter> write(const std::string &identity, const std::vector<uint64_t> &sizes) const;

private:
  std::string pathOf(const std::string &identity) const;
  bool makeRoom(uint64_t bytes) const;
  void warn(const std::string &text) const;

  PackCacheOptions options_;
  bool usable_ = false;
};

} // namespace hb
