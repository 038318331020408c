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
  /// `packed` is called by the thread that packed the last part of this weight.
  void add(const WeightSpec &spec, std::vector<SourceData> sources, std::byte *target, std::function<void()> packed = {});
  /// Packs everything added since the last run; the calling thread takes part. The result does not depend on `threads`.
  void run(int threads);

private:
  struct Item {
    const WeightSpec *spec;
    std::vector<SourceData> sources;
    std::byte *target;
    std::function<void()> packed;
    int64_t parts;
  };
  struct Part {
    size_t item;
    int64_t begin, end;
  };
  std::vector<Item> items_;
  std::vector<Part> parts_;
};

} // namespace hb
