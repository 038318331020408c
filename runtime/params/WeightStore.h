// The weights of a module: found in the user's checkpoint, checked against the compiled signature, packed on first use.
#pragma once

#include "runtime/base/AlignedBuffer.h"
#include "runtime/formats/Checkpoint.h"
#include "runtime/module/Module.h"
#include "runtime/params/BoundWeights.h"
#include "runtime/params/PackCache.h"
#include "runtime/params/PackWork.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace hb {

/// The factors of one adapter slot as kernels read them: `a` [R, in], `b` [out, R], `scale` [R]; unused rows are zero.
struct AdapterFactors {
  std::vector<float> a, b, scale;
};

struct WeightStoreOptions {
  int threads = 1; ///< for packing
  PackCacheOptions cache;
};

class WeightStore {
public:
  /// Opens the checkpoint of every scope the module uses and compares it with the signature before anything is allocated.
  /// `directory` replaces the place recorded at compile time when it is not empty.
  /// Throws HB0210 – HB0233 (damaged or different checkpoint).
  WeightStore(const Module &module, const std::string &directory, WeightStoreOptions options = {});

  /// The packed weight, ready for kernels; packs it (or maps it, when the file's bytes serve as they are) on first use.
  const std::byte *get(size_t index);
  /// Makes ready everything a program binds, so that running it allocates nothing: large networks from the pack cache (all
  /// weights of the network, written now when they are not there yet), the rest by packing.
  void prepare(const Program &program);

  /// Sets the factors of adapter slots (key: scope + "\n" + path); slots not named become zero. Repacks what was packed.
  void setAdapters(std::map<std::string, AdapterFactors> factors);

  /// How often the bytes of a weight were written: a copy of them elsewhere (on a device) is stale when the number has changed. 0: not ready yet.
  uint64_t revision(size_t index) const { return entries_[index].revision; }
  /// Bytes of a weight as kernels read it, without the readable tail; known before it is packed.
  uint64_t byteSize(size_t index) const;

  /// The folder a scope's checkpoint was opened in. Empty for a scope without weights.
  std::string folderOf(const std::string &scope) const;

  /// Bytes of packed weights so far, in memory or mapped from the cache (weights used in place cost none).
  uint64_t packedBytes() const { return packedBytes_; }
  /// The part of packedBytes() that is mapped from cache files.
  uint64_t cachedBytes() const { return cachedBytes_; }

private:
  struct Entry {
    const std::byte *ready = nullptr;
    std::byte *memory = nullptr; ///< in one of slabs_; null when the weight lies in a file
    uint64_t revision = 0;
  };

  /// The weights of one network that are packed from its checkpoint alone: what one cache file holds.
  struct Network {
    std::vector<size_t> weights;
    std::vector<uint64_t> sizes; ///< packed
    uint64_t bytes = 0;
    bool tried = false;
    MappedFile file;
  };

  std::string scopePath(const ScopePath &scope, const std::string &directory) const;
  /// The bytes of every source; `zeros` keeps the factors of empty adapter slots alive.
  std::vector<SourceData> sourcesOf(const WeightSpec &spec, std::vector<std::vector<float>> &zeros) const;
  /// Adds a weight to `work`. Once packed, what was read of its checkpoint's files leaves the process's memory: it would stay beside the packed weights, and
  /// no plan counts it.
  void addWork(PackWork &work, const WeightSpec &spec, std::vector<SourceData> sources, std::byte *target) const;
  void pack(const std::vector<size_t> &indices);
  void useCache(const std::string &scope, Network &network);
  std::string identityOf(const std::string &scope, const Network &network) const;
  bool writeCache(const std::string &identity, const Network &network) const;

  const Module &module_;
  std::string directory_;
  WeightStoreOptions options_;
  PackCache cache_;
  std::map<std::string, Checkpoint> checkpoints_;
  std::map<std::string, Network> networks_;
  std::vector<Entry> entries_;
  std::vector<AlignedBuffer> slabs_; ///< one for all weights that were packed together
  std::map<std::string, AdapterFactors> adapters_;
  uint64_t packedBytes_ = 0, cachedBytes_ = 0;
};

} // namespace hb
