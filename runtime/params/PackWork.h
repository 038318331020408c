// Packing of many weights at once, spread over threads.
#pragma once

#include "runtime/params/Packing.h"

#include <functional>
#include <span>
#include <vector>

namespace hb {

/// A list of weights to pack. The sources' bytes and the targets must live until run() returns.
class PackWork {
public:
  /// Told after each part, by the thread that packed it, that the sources' bytes from share `first` to share `last` of them (0…1, all sources one after
  /// the other) are not needed for this weight any more; at last with 0 and 1.
  using Read = std::function<void(double first, double last)>;
  void add(const WeightSpec &spec, std::vector<SourceData> sources, std::byte *target, Read read = {});
  /// Packs everything added since the last run; the calling thread takes part. The result does not depend on `threads`.
  void run(int threads);

private:
  struct Item {
    const WeightSpec *spec;
    std::vector<SourceData> sources;
    std::byte *target;
    Read read;
    int64_t tasks, parts;
  };
  struct Part {
    size_t item;
    int64_t begin, end;
  };
  std::vector<Item> items_;
  std::vector<Part> parts_;
};

} // namespace hb
