// What programs run on: the memory, the code and the recorded programs of one device. Each kind of device implements this in a folder of
// its own beside this file and knows nothing of the others.
#pragma once

#include "runtime/module/Module.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hb {

struct DeviceInfo {
  std::string name;         ///< as --device takes it: "cpu", "cuda:0", "cuda:sim"
  std::string description;  ///< the processor or the card
  uint64_t memoryBytes = 0; ///< 0 where the host's memory is the device's
  int capability = 0;       ///< CUDA: 80 for compute capability 8.0
  int driver = 0;           ///< CUDA: the interface the driver has, 12040 for 12.4
};

/// Time spent in one launch, added up over runs; for `hb-rt bench` and `--profile`.
struct LaunchTime {
  uint32_t kernel = 0;
  uint64_t count = 0;
  double seconds = 0, best = 1e30;       ///< elapsed
  double cpuSeconds = 0, bestCpu = 1e30; ///< of the calling thread: what the launch costs when others share the machine. Elsewhere as elapsed

  void add(double elapsed, double cpu);
};

class Device;

/// Memory of a device, freed with the object. Only where the device shares the host's memory may the host follow the address.
class DeviceMemory {
public:
  DeviceMemory() = default;
  DeviceMemory(Device &device, std::byte *address, uint64_t size) : device_(&device), address_(address), size_(size) {}
  DeviceMemory(DeviceMemory &&other) noexcept { *this = std::move(other); }
  DeviceMemory &operator=(DeviceMemory &&other) noexcept;
  ~DeviceMemory();

  std::byte *address() const { return address_; }
  uint64_t size() const { return size_; }

private:
  Device *device_ = nullptr;
  std::byte *address_ = nullptr;
  uint64_t size_ = 0;
};

/// A part of an allocation with a meaning of its own.
struct MemoryPiece {
  uint64_t offset = 0, bytes = 0;
  bool writable = true;
};

/// One thing a program is about to allocate, for the refusal of what does not fit.
struct MemoryNeed {
  const char *what;
  uint64_t bytes;
};

/// A command whose bindings are addresses of the device.
struct PlacedCommand {
  const Command *command = nullptr;
  uint32_t firstAddress = 0; ///< of its bindings, in PlacedProgram::addresses
  uint32_t launch = 0;       ///< launches are numbered in the order they stand in the program
  std::vector<PlacedCommand> body;
};

/// A program in the memory of a device.
struct PlacedProgram {
  std::string name;
  std::vector<PlacedCommand> commands;
  std::vector<std::byte *> addresses;
};

/// What a run asks its caller and tells him.
struct RunHooks {
  /// The trip count of a loop that has a count binding; within 0 … maxTripCount.
  std::function<int64_t(const PlacedCommand &)> tripCount;
  /// Called before each iteration of an outermost loop (iteration, trip count); false stops the run. What it sees may be one iteration ahead of the device.
  std::function<bool(int64_t, int64_t)> onStep;
  /// Called after each launch, when its results can be read; false stops the run. Slow.
  std::function<bool(const PlacedCommand &)> afterLaunch;
  /// One for each launch, when their times are wanted.
  std::vector<LaunchTime> *times = nullptr;
};

/// A program ready to run. Where the device shares the host's memory its addresses may change between runs, elsewhere they are part of the recording.
class Recording {
public:
  virtual ~Recording() = default;
  /// Runs it once; everything is done when it returns. False when a hook stopped it.
  virtual bool run(const RunHooks &hooks) = 0;
};

/// The kernels of a module, loaded.
class DeviceCode {
public:
  virtual ~DeviceCode() = default;
  virtual const CodeVariant &variant() const = 0;
  /// `program` outlives the recording.
  virtual std::unique_ptr<Recording> record(const PlacedProgram &program) = 0;
};

class Device {
public:
  virtual ~Device() = default;
  virtual const DeviceInfo &info() const = 0;
  /// True when kernels read and write the host's memory at its own addresses: nothing is copied then.
  virtual bool sharesHostMemory() const = 0;

  /// The target of a module to use here, by the targets' names. HB0407 naming `module` when none fits.
  virtual size_t chooseTarget(const std::vector<std::string> &names, const std::string &module) const = 0;
  /// `module` outlives the code. HB0407, HB0408.
  virtual std::unique_ptr<DeviceCode> load(const Module &module) = 0;

  /// Refuses (exit code 4) what is not free, before anything of it is allocated.
  virtual void requireFree(const std::vector<MemoryNeed> &needs, const std::string &where) = 0;
  /// At least 64-byte aligned, with 64 readable bytes behind it. `where` and `purpose` are for the message.
  virtual DeviceMemory allocate(uint64_t bytes, const std::string &where, const std::string &purpose) = 0;
  /// Says that only these pieces of an allocation (and the readable bytes behind each) may be touched; for devices that check.
  virtual void restrict(const DeviceMemory &memory, const std::vector<MemoryPiece> &pieces) = 0;
  /// The host's bytes may change as soon as it returns; the device sees them before what runs next.
  virtual void write(std::byte *to, const void *from, uint64_t bytes) = 0;
  virtual void read(void *to, const std::byte *from, uint64_t bytes) = 0;
  virtual void zero(std::byte *to, uint64_t bytes) = 0;

protected:
  friend class DeviceMemory;
  virtual void release(std::byte *address) = 0;
};

} // namespace hb
