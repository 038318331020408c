// Which records a run trains on, and in which order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hb {

/// One line of a manifest.
struct TrainRecord {
  std::string image;   ///< path, made absolute against the manifest's folder
  std::string prompt;
  std::string context; ///< context_description; empty: none
  std::optional<int64_t> seed;
  int64_t line = 0;

  /// What conditions the network and what is rewarded.
  const std::string &text() const { return context.empty() ? prompt : context; }
};

/// A manifest: JSON objects, one a line; empty lines are skipped, unknown keys ignored (data sets carry their own notes).
struct Manifest {
  std::string path;
  std::vector<TrainRecord> records;
  std::string fingerprint; ///< of the file's bytes: a resumed run must see the same records

  /// HB0902 unreadable, HB0655 a wrong line, HB0656 no record. `needSeed`: every record must have one (sampler.seed = -1).
  static Manifest read(const std::string &path, bool needSeed = false);
  static Manifest parse(const std::string &text, const std::string &path, bool needSeed = false);
};

/// The endless sequence of record indices. Epoch e is torch.randperm(n) of a CPU generator seeded with seed + e (or 0 … n−1 without
/// shuffling), so any position can be found without having walked to it: a position is all that a checkpoint stores.
class RecordOrder {
public:
  RecordOrder(int64_t count, bool shuffle, uint64_t seed) : count_(count), shuffle_(shuffle), seed_(seed) {}

  int64_t at(int64_t position);
  int64_t epochOf(int64_t position) const { return position / count_; }

private:
  int64_t count_;
  bool shuffle_;
  uint64_t seed_;
  int64_t epoch_ = -1; ///< whose order is in order_
  std::vector<int64_t> order_;
};

} // namespace hb
