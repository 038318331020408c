#include "runtime/device/cuda/SimDriver.h"

#include "runtime/abi/kernel.h"
#include "runtime/base/AlignedBuffer.h"
#include "runtime/base/Error.h"
#include "runtime/device/cuda/sim/Simulator.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <utility>

namespace hb::cuda {

// What the handles of the table point at.
struct ContextTag {};
struct FunctionTag {
  std::shared_ptr<const ptx::Code> code;
  const ptx::EntryInfo *entry = nullptr;
  int maxDynamicSharedBytes = 48 << 10;
};
struct ModuleTag {
  std::shared_ptr<const ptx::Code> code;
  std::map<std::string, FunctionTag> functions;
};
using Work = std::function<Result()>;
struct GraphTag {
  std::vector<Work> work;
};
struct GraphExecTag {
  std::shared_ptr<const std::vector<Work>> work;
};
struct StreamTag {
  std::deque<Work> waiting;
  GraphTag *capture = nullptr;
};
struct EventTag {
  uint64_t recorded = 0, done = 0; ///< how often
  std::chrono::steady_clock::time_point at;
  StreamTag *stream = nullptr;
};

namespace sim {
namespace {

uint64_t setting(const char *name, uint64_t fallback, uint64_t most) {
  const char *text = std::getenv(name);
  if (!text || !*text)
    return fallback;
  uint64_t value = 0;
  auto [end, failure] = std::from_chars(text, text + std::strlen(text), value);
  if (failure != std::errc() || *end || value > most)
    throw Error(904, name, "a number up to " + std::to_string(most), "'" + std::string(text) + "'", "correct the variable or remove it from the environment");
  return value;
}

struct Allocation {
  AlignedBuffer buffer;
  std::byte *start = nullptr;
  uint64_t bytes = 0;
  std::vector<const std::byte *> allowed;
};

/// The simulated card. Ends and begins anew with the last user of its context, as a primary context does.
struct Card {
  ptx::Simulator simulator;
  std::map<Address, Allocation> allocations;
  uint64_t used = 0;
  std::vector<StreamTag *> streams;
  Result failure = kSuccess; ///< stays, as after a failed launch on a real device
  std::pair<std::string, std::string> finding;
};

ContextTag theContext;
int contextUsers = 0;
std::unique_ptr<Card> card;

constexpr uint64_t kAlignment = 256, kDefaultMemory = uint64_t(8) << 30;
constexpr int kSharedBytesOfBlock = 163 << 10, kDriverVersion = 12000;

uint64_t memoryBytes() { return setting("HB_SIM_MEMORY_BYTES", kDefaultMemory, uint64_t(1) << 46); }

Result fail(Result result) {
  if (card && card->failure == kSuccess)
    card->failure = result;
  return result;
}

/// The allocation that holds all of these bytes.
const Allocation *holder(Address address, uint64_t bytes) {
  auto after = card->allocations.upper_bound(address);
  if (after == card->allocations.begin())
    return nullptr;
  const auto &[start, allocation] = *std::prev(after);
  return address - start <= allocation.bytes && bytes <= allocation.bytes - (address - start) ? &allocation : nullptr;
}

std::byte *pointer(Address address) { return reinterpret_cast<std::byte *>(address); }

Result drainOne(StreamTag &stream) {
  Work work = std::move(stream.waiting.front());
  stream.waiting.pop_front();
  if (card->failure != kSuccess)
    return card->failure;
  Result result = work();
  return result == kSuccess ? result : fail(result);
}

Result drain(StreamTag &stream) {
  while (!stream.waiting.empty())
    drainOne(stream);
  return card->failure;
}

/// Puts work into a stream, or into the graph it is capturing.
Result submit(StreamTag *stream, Work work) {
  if (card->failure != kSuccess)
    return card->failure;
  if (stream->capture)
    stream->capture->work.push_back(std::move(work));
  else
    stream->waiting.push_back(std::move(work));
  return kSuccess;
}

Result init(unsigned) { return kSuccess; }
Result driverGetVersion(int *version) {
  *version = kDriverVersion;
  return kSuccess;
}

constexpr struct {
  Result result;
  const char *name, *text;
} kResults[] = {{kSuccess, "CUDA_SUCCESS", "no error"},
                {kInvalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
                {kOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
                {kInvalidDevice, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
                {kNoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
                {kInvalidPtx, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
                {kInvalidHandle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
                {kNotFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
                {kLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}};
Result getErrorName(Result result, const char **text) {
  for (auto &row : kResults)
    if (row.result == result) {
      *text = row.name;
      return kSuccess;
    }
  return kInvalidValue;
}
Result getErrorString(Result result, const char **text) {
  for (auto &row : kResults)
    if (row.result == result) {
      *text = row.text;
      return kSuccess;
    }
  return kInvalidValue;
}

Result deviceGetCount(int *count) {
  *count = 1;
  return kSuccess;
}
Result deviceGet(DeviceHandle *device, int ordinal) {
  *device = 0;
  return ordinal == 0 ? kSuccess : kInvalidDevice;
}
Result deviceGetName(char *name, int length, DeviceHandle) {
  std::strncpy(name, "PTX simulator", static_cast<size_t>(length));
  return kSuccess;
}
Result deviceTotalMem(size_t *bytes, DeviceHandle) {
  *bytes = memoryBytes();
  return kSuccess;
}
Result deviceGetAttribute(int *value, int attribute, DeviceHandle) {
  const int capability = static_cast<int>(setting("HB_SIM_SM", 80, 999));
  switch (attribute) {
  case kCapabilityMajor:
    *value = capability / 10;
    return kSuccess;
  case kCapabilityMinor:
    *value = capability % 10;
    return kSuccess;
  case kSharedBytesOptIn:
    *value = kSharedBytesOfBlock;
    return kSuccess;
  case kMultiprocessorCount:
    *value = 1;
    return kSuccess;
  }
  return kInvalidValue;
}
Result primaryCtxRetain(ContextHandle *context, DeviceHandle) {
  if (contextUsers++ == 0)
    card = std::make_unique<Card>();
  *context = &theContext;
  return kSuccess;
}
Result primaryCtxRelease(DeviceHandle) {
  if (--contextUsers == 0)
    card.reset();
  return kSuccess;
}
Result ctxSetCurrent(ContextHandle) { return kSuccess; }

Result memGetInfo(size_t *free, size_t *total) {
  *total = memoryBytes();
  *free = *total - std::min<uint64_t>(*total, card->used);
  return kSuccess;
}
Result memAlloc(Address *address, size_t bytes) {
  if (card->failure != kSuccess)
    return card->failure;
  if (bytes == 0)
    return kInvalidValue;
  if (bytes > memoryBytes() || card->used > memoryBytes() - bytes)
    return kOutOfMemory;
  Allocation allocation{AlignedBuffer(bytes + kAlignment, "cuda:sim", "memory of the simulated device"), nullptr, bytes, {}};
  Address start = (reinterpret_cast<Address>(allocation.buffer.data()) + kAlignment - 1) / kAlignment * kAlignment;
  allocation.start = pointer(start);
  std::memset(allocation.start, 0xff, bytes); // no numbers: what nobody wrote shows in the results
  card->simulator.allow(allocation.start, bytes, true);
  allocation.allowed = {allocation.start};
  card->used += bytes;
  card->allocations.emplace(start, std::move(allocation));
  *address = start;
  return kSuccess;
}
Result memFree(Address address) {
  auto it = card->allocations.find(address);
  if (it == card->allocations.end())
    return kInvalidValue;
  for (StreamTag *stream : card->streams) // freeing waits for everything that may still use the memory
    drain(*stream);
  for (const std::byte *start : it->second.allowed)
    card->simulator.forget(start);
  card->used -= it->second.bytes;
  card->allocations.erase(it);
  return kSuccess;
}
void restrictPieces(Address address, const std::vector<MemoryPiece> &pieces) {
  Allocation &allocation = card->allocations.at(address);
  for (const std::byte *start : allocation.allowed)
    card->simulator.forget(start);
  allocation.allowed.clear();
  for (const MemoryPiece &piece : pieces) {
    const std::byte *start = allocation.start + piece.offset;
    card->simulator.allow(start, piece.bytes + HB_READABLE_TAIL_BYTES, piece.writable);
    allocation.allowed.push_back(start);
  }
}
Result memHostAlloc(void **memory, size_t bytes, unsigned) {
  *memory = std::malloc(bytes);
  return *memory ? kSuccess : kOutOfMemory;
}
Result memFreeHost(void *memory) {
  std::free(memory);
  return kSuccess;
}
Result memcpyHtoDAsync(Address to, const void *from, size_t bytes, StreamHandle stream) {
  if (!holder(to, bytes))
    return kInvalidValue;
  return submit(stream, [=] {
    std::memcpy(pointer(to), from, bytes);
    return kSuccess;
  });
}
Result memcpyDtoHAsync(void *to, Address from, size_t bytes, StreamHandle stream) {
  if (!holder(from, bytes))
    return kInvalidValue;
  return submit(stream, [=] {
    std::memcpy(to, pointer(from), bytes);
    return kSuccess;
  });
}
Result memcpyDtoDAsync(Address to, Address from, size_t bytes, StreamHandle stream) {
  if (!holder(to, bytes) || !holder(from, bytes))
    return kInvalidValue;
  return submit(stream, [=] {
    std::memcpy(pointer(to), pointer(from), bytes);
    return kSuccess;
  });
}
Result memsetD8Async(Address to, unsigned char value, size_t count, StreamHandle stream) {
  if (!holder(to, count))
    return kInvalidValue;
  return submit(stream, [=] {
    std::memset(pointer(to), value, count);
    return kSuccess;
  });
}
Result memsetD32Async(Address to, unsigned value, size_t count, StreamHandle stream) {
  if (to % sizeof value || !holder(to, count * sizeof value))
    return kInvalidValue;
  return submit(stream, [=] {
    for (size_t i = 0; i < count; ++i)
      std::memcpy(pointer(to) + i * sizeof value, &value, sizeof value);
    return kSuccess;
  });
}

Result streamCreate(StreamHandle *stream, unsigned) {
  *stream = new StreamTag;
  card->streams.push_back(*stream);
  return kSuccess;
}
Result streamDestroy(StreamHandle stream) {
  std::erase(card->streams, stream);
  delete stream;
  return kSuccess;
}
Result streamSynchronize(StreamHandle stream) { return stream->capture ? kInvalidHandle : drain(*stream); }
Result streamBeginCapture(StreamHandle stream, int) {
  if (stream->capture)
    return kInvalidHandle;
  stream->capture = new GraphTag;
  return kSuccess;
}
Result streamEndCapture(StreamHandle stream, GraphHandle *graph) {
  if (!stream->capture)
    return kInvalidHandle;
  *graph = std::exchange(stream->capture, nullptr);
  return kSuccess;
}
Result eventCreate(EventHandle *event, unsigned) {
  *event = new EventTag;
  return kSuccess;
}
Result eventDestroy(EventHandle event) {
  if (event->stream && card && event->recorded != event->done)
    drain(*event->stream);
  delete event;
  return kSuccess;
}
Result eventRecord(EventHandle event, StreamHandle stream) {
  event->stream = stream;
  ++event->recorded;
  return submit(stream, [event] {
    ++event->done;
    event->at = std::chrono::steady_clock::now();
    return kSuccess;
  });
}
Result eventSynchronize(EventHandle event) {
  while (event->done != event->recorded && !event->stream->waiting.empty())
    drainOne(*event->stream);
  return card->failure;
}
Result eventElapsedTime(float *milliseconds, EventHandle start, EventHandle end) {
  if (start->done == 0 || end->done == 0)
    return kInvalidHandle;
  *milliseconds = std::chrono::duration<float, std::milli>(end->at - start->at).count();
  return kSuccess;
}

Result moduleLoadDataEx(ModuleHandle *module, const void *image, unsigned optionCount, int *options, void **values) {
  auto text = static_cast<const char *>(image);
  if (std::memcmp(text, "\177ELF", 4) == 0)
    return kNoBinaryForGpu;
  try {
    *module = new ModuleTag{ptx::Code::parse(text), {}};
    return kSuccess;
  } catch (const Error &error) {
    char *log = nullptr;
    size_t bytes = 0;
    for (unsigned i = 0; i < optionCount; ++i) {
      if (options[i] == kJitErrorLog)
        log = static_cast<char *>(values[i]);
      if (options[i] == kJitErrorLogBytes)
        bytes = reinterpret_cast<size_t>(values[i]);
    }
    if (log && bytes)
      std::strncpy(log, error.what(), bytes - 1);
    return kInvalidPtx;
  }
}
Result moduleUnload(ModuleHandle module) {
  delete module;
  return kSuccess;
}
Result moduleGetFunction(FunctionHandle *function, ModuleHandle module, const char *name) {
  const ptx::EntryInfo *entry = module->code->find(name);
  if (!entry)
    return kNotFound;
  FunctionTag &tag = module->functions[name];
  tag.code = module->code;
  tag.entry = entry;
  *function = &tag;
  return kSuccess;
}
Result funcSetAttribute(FunctionHandle function, int attribute, int value) {
  if (attribute != kMaxDynamicSharedBytes || value > kSharedBytesOfBlock)
    return kInvalidValue;
  function->maxDynamicSharedBytes = value;
  return kSuccess;
}

/// The bytes of a kernel's parameters, laid out as in a C struct.
std::vector<std::byte> parameterBlock(const ptx::EntryInfo &entry, void **parameters) {
  std::vector<std::byte> block;
  for (size_t i = 0; i < entry.parameterBytes.size(); ++i) {
    size_t bytes = entry.parameterBytes[i], alignment = std::min<size_t>(bytes, 8);
    block.resize((block.size() + alignment - 1) / alignment * alignment);
    auto *value = static_cast<const std::byte *>(parameters[i]);
    block.insert(block.end(), value, value + bytes);
  }
  return block;
}

Result launchNow(const FunctionTag &function, ptx::Dim3 grid, ptx::Dim3 block, unsigned sharedBytes, const std::vector<std::byte> &parameters) {
  ptx::CheckOptions options;
  options.scheduleSeed = static_cast<uint32_t>(setting("HB_SIM_SEED", 0, UINT32_MAX));
  options.threads = static_cast<unsigned>(std::max<uint64_t>(1, setting("HB_SIM_THREADS", 1, 1024)));
  try {
    ptx::LaunchReport report = card->simulator.launch(*function.code, function.entry->name, grid, block, sharedBytes, parameters, options);
    if (report.findings.empty())
      return kSuccess;
    const ptx::Finding &first = report.findings.front();
    card->finding = {first.kernel, first.check + " at " + first.instruction + ": " + first.what + (report.findingCount > 1 ? " (" + std::to_string(report.findingCount) + " findings in all)" : "")};
  } catch (const Error &error) {
    card->finding = {function.entry->name, error.what()};
  }
  return kLaunchFailed;
}

Result launchKernel(FunctionHandle function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes, StreamHandle stream, void **parameters, void **) {
  if (static_cast<int>(sharedBytes) > function->maxDynamicSharedBytes || gridX == 0 || gridY == 0 || gridZ == 0)
    return kInvalidValue;
  return submit(stream, [tag = *function, grid = ptx::Dim3{gridX, gridY, gridZ}, block = ptx::Dim3{blockX, blockY, blockZ}, sharedBytes, values = parameterBlock(*function->entry, parameters)] {
    return launchNow(tag, grid, block, sharedBytes, values);
  });
}

Result graphInstantiate(GraphExecHandle *executable, GraphHandle graph, unsigned long long) {
  *executable = new GraphExecTag{std::make_shared<const std::vector<Work>>(graph->work)};
  return kSuccess;
}
Result graphLaunch(GraphExecHandle executable, StreamHandle stream) {
  return submit(stream, [work = executable->work] {
    for (const Work &item : *work)
      if (Result result = item())
        return result;
    return Result(kSuccess);
  });
}
Result graphExecDestroy(GraphExecHandle executable) {
  delete executable;
  return kSuccess;
}
Result graphDestroy(GraphHandle graph) {
  delete graph;
  return kSuccess;
}

std::pair<std::string, std::string> takeFinding() { return card ? std::exchange(card->finding, {}) : std::pair<std::string, std::string>(); }

} // namespace
} // namespace sim

const Driver &simulatorDriver() {
  static const Driver driver = [] {
    Driver table;
#define HB_CUDA_FUNCTION(member, symbol, parameters) table.member = sim::member;
#include "runtime/device/cuda/Driver.def"
#undef HB_CUDA_FUNCTION
    table.simulated = true;
    table.takeFinding = sim::takeFinding;
    table.restrict = sim::restrictPieces;
    return table;
  }();
  return driver;
}

} // namespace hb::cuda
