#include "runtime/params/PackCache.h"

#include "runtime/abi/kernel.h"
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sys/mman.h>

namespace hb {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'H', 'B', 'P', 'A', 'C', 'K', '0', '1'};
constexpr uint64_t kAlign = 64;
constexpr std::string_view kSuffix = ".hbpack";
constexpr auto kStale = std::chrono::hours(24); ///< a temporary file this old belongs to a process that was killed

/// The last bytes of a cache file.
struct Tail {
  char magic[8];
  uint64_t piecesEnd, identitySize, pieceCount; ///< the identity starts at piecesEnd, the sizes follow it
  uint64_t textHash;                            ///< of identity and sizes
  uint64_t samples;                             ///< SampledHash of the bytes before piecesEnd
  uint64_t tailHash;                            ///< of the members above
  uint64_t reserved;
};
static_assert(sizeof(Tail) == 64);

uint64_t hashOf(const Tail &tail) {
  Fnv1a hash;
  hash.update(std::as_bytes(std::span(&tail, 1)).first(offsetof(Tail, tailHash)));
  return hash.value();
}

uint64_t textHash(const std::string &identity, const std::vector<uint64_t> &sizes) {
  Fnv1a hash;
  hash.update(identity);
  hash.update(std::as_bytes(std::span(sizes)));
  return hash.value();
}

uint64_t fileBytes(const std::string &identity, const std::vector<uint64_t> &sizes) {
  return packCacheOffsets(sizes).back() + identity.size() + sizes.size() * sizeof(uint64_t) + sizeof(Tail);
}

enum class Check { Sound, Damaged, Other };

Check check(const MappedFile &file, const std::string &identity, const std::vector<uint64_t> &sizes) {
  Tail tail;
  auto bytes = file.bytes();
  if (bytes.size() < sizeof tail)
    return Check::Damaged;
  std::memcpy(&tail, bytes.data() + bytes.size() - sizeof tail, sizeof tail);
  if (std::memcmp(tail.magic, kMagic, sizeof kMagic) != 0 || tail.tailHash != hashOf(tail))
    return Check::Damaged;
  // A sound tail whose text is another's: two identities share a file name. Compared before anything is read by its lengths.
  if (tail.identitySize != identity.size() || tail.pieceCount != sizes.size() || tail.textHash != textHash(identity, sizes))
    return Check::Other;
  if (tail.piecesEnd != packCacheOffsets(sizes).back() || bytes.size() != fileBytes(identity, sizes) ||
      std::memcmp(bytes.data() + tail.piecesEnd, identity.data(), identity.size()) != 0 ||
      std::memcmp(bytes.data() + tail.piecesEnd + identity.size(), sizes.data(), sizes.size() * sizeof(uint64_t)) != 0)
    return Check::Damaged;
  SampledHash samples(tail.piecesEnd);
  samples.update(bytes.first(tail.piecesEnd));
  return samples.value() == tail.samples ? Check::Sound : Check::Damaged;
}

} // namespace

std::string packCacheDirectory() {
  if (const char *cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/') // the specification ignores relative ones
    return joinPath(cache, "hummingbird");
  if (const char *home = std::getenv("HOME"); home && *home)
    return joinPath(home, ".cache/hummingbird");
  return "";
}

std::vector<uint64_t> packCacheOffsets(const std::vector<uint64_t> &sizes) {
  std::vector<uint64_t> offsets{0};
  for (uint64_t size : sizes)
    offsets.push_back((offsets.back() + size + HB_READABLE_TAIL_BYTES + kAlign - 1) / kAlign * kAlign);
  return offsets;
}

PackCacheWriter::PackCacheWriter(const std::string &path, std::string identity, std::vector<uint64_t> sizes)
    : identity_(std::move(identity)), sizes_(std::move(sizes)), offsets_(packCacheOffsets(sizes_)), file_(path), samples_(offsets_.back()) {}

void PackCacheWriter::put(std::span<const std::byte> bytes) {
  file_.write(bytes);
  samples_.update(bytes);
}

void PackCacheWriter::append(std::span<const std::byte> piece) {
  static constexpr std::byte kZeros[HB_READABLE_TAIL_BYTES + kAlign] = {};
  if (next_ >= sizes_.size() || piece.size() != sizes_[next_])
    throw Error(999, "pack cache", "piece " + std::to_string(next_), std::to_string(piece.size()) + " bytes", "please report this");
  put(piece);
  ++next_;
  put(std::span(kZeros).first(offsets_[next_] - file_.position()));
}

void PackCacheWriter::commit() {
  Tail tail = {};
  std::memcpy(tail.magic, kMagic, sizeof kMagic);
  tail.piecesEnd = offsets_.back();
  tail.identitySize = identity_.size();
  tail.pieceCount = sizes_.size();
  tail.textHash = textHash(identity_, sizes_);
  tail.samples = samples_.value();
  tail.tailHash = hashOf(tail);
  file_.write(identity_);
  file_.write(std::as_bytes(std::span(sizes_)));
  file_.write(&tail, sizeof tail);
  file_.commit();
}

PackCache::PackCache(PackCacheOptions options) : options_(std::move(options)) {
  if (!options_.enabled)
    return;
  if (options_.directory.empty())
    options_.directory = packCacheDirectory();
  std::error_code error;
  if (options_.directory.empty()) {
    warn("no place for packed weights: neither XDG_CACHE_HOME nor HOME is set");
    return;
  }
  if (fs::create_directories(options_.directory, error)) // others have no business with what a user loads
    fs::permissions(options_.directory, fs::perms::owner_all, error);
  usable_ = fs::is_directory(options_.directory, error);
  if (!usable_)
    warn("packed weights are not kept: " + printable(options_.directory, 1024) + " is no folder that can be used");
}

void PackCache::warn(const std::string &text) const {
  if (options_.warn)
    options_.warn(text);
}

std::string PackCache::pathOf(const std::string &identity) const {
  Fnv1a hash;
  hash.update(identity);
  char name[24];
  std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(hash.value()));
  return joinPath(options_.directory, name + std::string(kSuffix));
}

std::optional<MappedFile> PackCache::find(const std::string &identity, const std::vector<uint64_t> &sizes) const {
  std::string path = pathOf(identity);
  if (!usable_ || !isFile(path))
    return std::nullopt;
  try {
    MappedFile file(path);
    Check result = check(file, identity, sizes);
    if (result == Check::Sound) {
      std::error_code ignored;
      fs::last_write_time(path, fs::file_time_type::clock::now(), ignored); // "used": what makeRoom() goes by
      ::madvise(const_cast<std::byte *>(file.bytes().data()), file.size(), MADV_WILLNEED);
      return file;
    }
    if (result == Check::Damaged)
      warn(printable(path, 1024) + " is damaged; the weights are packed again");
  } catch (const Error &error) {
    warn(std::string("a file of packed weights cannot be used: ") + error.what());
  }
  return std::nullopt;
}

bool PackCache::makeRoom(uint64_t bytes) const {
  struct Kept {
    fs::path path;
    uint64_t size;
    fs::file_time_type used;
  };
  std::vector<Kept> kept;
  uint64_t total = bytes;
  std::error_code error;
  auto now = fs::file_time_type::clock::now();
  for (fs::directory_iterator it(options_.directory, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone; // files of other processes come and go
    std::string name = it->path().filename().string();
    auto used = it->last_write_time(gone);
    if (gone || !it->is_regular_file(gone))
      continue;
    if (name.starts_with('.') && name.ends_with(".tmp") && name.find(kSuffix) != std::string::npos && now - used > kStale)
      fs::remove(it->path(), gone);
    if (!name.ends_with(kSuffix))
      continue;
    kept.push_back({it->path(), it->file_size(gone), used});
    total += kept.back().size;
  }
  std::sort(kept.begin(), kept.end(), [](const Kept &a, const Kept &b) { return a.used < b.used; });
  if (bytes > options_.limitBytes)
    return false;
  // Removing a file that another process has mapped is safe: its pages live until it lets go of them.
  for (const Kept &file : kept) {
    if (total <= options_.limitBytes)
      break;
    std::error_code gone;
    fs::remove(file.path, gone);
    total -= file.size;
  }
  return true;
}

std::unique_ptr<PackCacheWriter> PackCache::write(const std::string &identity, const std::vector<uint64_t> &sizes) const {
  if (!usable_)
    return nullptr;
  uint64_t bytes = fileBytes(identity, sizes);
  std::error_code error;
  if (!makeRoom(bytes)) {
    warn(std::to_string(bytes >> 20) + " MiB of packed weights are more than the cache may hold (" + std::to_string(options_.limitBytes >> 20) + " MiB); they are not kept");
    return nullptr;
  }
  // Known to be too little now is better than an error after minutes of writing, though only the writing decides.
  if (fs::space_info space = fs::space(options_.directory, error); !error && space.available < bytes) {
    warn("no room in " + printable(options_.directory, 1024) + " for " + std::to_string(bytes >> 20) + " MiB of packed weights; they are not kept");
    return nullptr;
  }
  try {
    return std::make_unique<PackCacheWriter>(pathOf(identity), identity, sizes);
  } catch (const Error &failure) {
    warn(std::string("packed weights are not kept: ") + failure.what());
    return nullptr;
  }
}

} // namespace hb
