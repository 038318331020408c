#include "runtime/params/PackWork.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace hb {
namespace {

/// Large enough that taking a part costs nothing beside it, small enough that the last ones end together.
constexpr uint64_t kPartBytes = 1 << 20;

/// Whether a task reads the rows behind those of the task before. Gated ones go through two halves at once, transposed ones read everything each time.
bool readsInOrder(const WeightSpec &spec) { return !spec.transposed && spec.layout != WeightLayout::GatedPanel16; }

} // namespace

void PackWork::add(const WeightSpec &spec, std::vector<SourceData> sources, std::byte *target, Read read) {
  int64_t tasks = packTasks(spec), step = std::max<int64_t>(1, static_cast<int64_t>(kPartBytes / std::max<uint64_t>(1, packedSize(spec) / std::max<int64_t>(1, tasks))));
  for (int64_t begin = 0; begin < tasks; begin += step)
    parts_.push_back({items_.size(), begin, std::min(begin + step, tasks)});
  items_.push_back({&spec, std::move(sources), target, std::move(read), tasks, (tasks + step - 1) / step});
}

void PackWork::run(int threads) {
  std::atomic<size_t> next{0};
  std::vector<std::atomic<int64_t>> left(items_.size());
  for (size_t i = 0; i < items_.size(); ++i)
    left[i] = items_[i].parts;
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < parts_.size();) {
      const Part &part = parts_[i];
      const Item &item = items_[part.item];
      packWeight(*item.spec, item.sources, item.target, part.begin, part.end);
      bool last = --left[part.item] == 0;
      if (!item.read)
        continue;
      if (last)
        item.read(0, 1);
      else if (readsInOrder(*item.spec))
        item.read(static_cast<double>(part.begin) / static_cast<double>(item.tasks), static_cast<double>(part.end) / static_cast<double>(item.tasks));
    }
  };
  std::vector<std::thread> helpers;
  for (int t = 1; t < threads && static_cast<size_t>(t) < parts_.size(); ++t)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();
  items_.clear();
  parts_.clear();
}

} // namespace hb
