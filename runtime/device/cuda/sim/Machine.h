// What executes: decoded instructions, warps with their registers, and one worker per host thread that takes a block at a time.
#pragma once

#include "runtime/device/cuda/sim/GlobalMemory.h"
#include "runtime/device/cuda/sim/SharedRaces.h"
#include "runtime/device/cuda/sim/Simulator.h"
#include "runtime/device/cuda/sim/Syntax.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <random>
#include <set>

namespace hb::ptx {

constexpr uint32_t kAllLanes = 0xFFFFFFFFu;
constexpr uint32_t kNone = 0xFFFFFFFFu;
constexpr unsigned kMaxOperands = 16;
constexpr unsigned kNamedBarriers = 16;
constexpr unsigned kMaxWarps = 32;

/// Generic addresses of shared, local and parameter memory lie where no pointer of the host can.
constexpr uint64_t kSharedWindow = 0x0100'0000'0000'0000, kLocalWindow = 0x0200'0000'0000'0000, kParameterWindow = 0x0300'0000'0000'0000;
constexpr uint64_t kWindowMask = 0xFF00'0000'0000'0000;

struct Worker;
struct Warp;
struct Instruction;
using Operation = void (*)(Worker &, Warp &, const Instruction &, uint32_t mask);

/// How the instruction moves the warp on.
enum class Flow : uint8_t { Plain, Branch, BranchIndexed, Exit, Barrier, BarrierArrive, Collective };

struct Instruction {
  Operation run = nullptr;
  Operation inner = nullptr;               ///< what `run` executes in another rounding mode
  uint32_t (*test)(Warp &, const Instruction &) = nullptr; ///< of a comparison
  int64_t offset = 0;                      ///< of an address
  int64_t offset2 = 0;                     ///< of a second address
  std::array<uint32_t, kMaxOperands> operand{}; ///< byte offsets into a warp's registers; constants and special registers lie there too
  uint32_t guard = kNone;
  uint32_t guardFlip = 0;
  uint32_t target = 0;                     ///< of a branch; of an indexed branch, its list
  uint32_t source = 0;
  Flow flow = Flow::Plain;
  uint8_t bytes = 0, count = 0;            ///< of one element; elements of a vector
  uint8_t mode = 0;                        ///< what else the operation wants to know
  bool wideAddress = false, wideAddress2 = false; ///< the base is a 64-bit register
};

struct Source {
  uint32_t line = 0;
  std::string text;   ///< "ld.shared.b32 %r1, [%r2]"
  std::string opcode; ///< "ld.shared.b32"
};

/// One entry, ready to run.
struct Entry {
  EntryInfo info;
  std::vector<uint32_t> parameterOffsets;
  uint32_t parameterBytes = 0;
  std::vector<Instruction> code;
  std::vector<Source> sources;
  std::vector<std::vector<uint32_t>> branchLists;
  std::vector<std::byte> registers;  ///< the start image: constants in place
  uint32_t variableBytes = 0;        ///< the leading part of it that is registers, cleared for each block
  std::vector<std::pair<uint32_t, Special>> specials;
  uint32_t sharedBytes = 0, sharedAlignment = 16; ///< static part; where the dynamic part starts
  uint32_t localBytes = 0;
  unsigned sharedGranule = 4, globalGranule = 4; ///< bytes: the smallest access, at which races are told apart
  uint32_t dynamicStart() const { return (sharedBytes + sharedAlignment - 1) / sharedAlignment * sharedAlignment; }
};

struct Program {
  std::string text;
  struct Storage { std::string name; std::byte *start; size_t bytes; bool writable; };
  std::vector<Storage> variables;
  std::vector<std::byte> memory; ///< behind `variables`
  std::map<std::string, Entry, std::less<>> entries;
};

/// Ends the launch: there is no sensible way to go on.
struct StopLaunch {};

struct AsyncCopies {
  uint32_t mask = 0; ///< lanes whose copy has not landed
  uint8_t bytes = 0;
  std::array<uint32_t, 32> group, destination, sourceBytes;
  std::array<uint64_t, 32> source;
  const Instruction *instruction = nullptr;
};

/// Lanes that are elsewhere than the ones being executed.
struct Split {
  uint32_t pc = 0, mask = 0;
  bool blocked = false; ///< at a collective that waits for other lanes
};

enum class WarpState : uint8_t { Ready, AtBarrier, Done };

struct Warp {
  std::byte *registers = nullptr;
  uint32_t index = 0, alive = 0, full = 0; ///< lanes not exited; lanes that exist
  uint32_t pc = 0, active = 0, limit = kNone; ///< the lanes being executed; the next position where others wait
  std::array<Split, 32> splits;
  unsigned splitCount = 0;
  WarpState state = WarpState::Ready;
  bool yielded = false;
  unsigned barrier = 0;
  const Instruction *waitsAt = nullptr;
  uint32_t reductionLanes = 0;
  uint64_t executed = 0;
  std::vector<AsyncCopies> copies;
  std::array<uint32_t, 32> committed{};
  std::byte *local = nullptr; ///< 32 lanes of Entry::localBytes

  uint32_t &word(uint32_t slot) { return *reinterpret_cast<uint32_t *>(registers + slot); }
  template <class T> T *slot(uint32_t offset) { return reinterpret_cast<T *>(registers + offset); }
};

struct Barrier {
  uint32_t expected = 0, arrived = 0;
  uint32_t waiting = 0, contributed = 0; ///< warps
  uint32_t counted = 0, votes = 0;      ///< of bar.red: threads, threads whose predicate holds
};

/// What the workers of one launch share.
struct Launch {
  const Entry *entry = nullptr;
  Dim3 grid, block;
  uint32_t threads = 0, warps = 0, sharedBytes = 0, dynamicBytes = 0;
  std::span<const std::byte> parameters;
  CheckOptions options;
  GlobalMemory *memory = nullptr;
  std::vector<uint32_t> order; ///< of the blocks, when a seed shuffles them
  std::atomic<uint64_t> nextBlock{0};
  std::atomic<bool> stop{false};
};

struct Worker {
  explicit Worker(Launch &launch);
  void run();

  Launch &launch;
  const Entry &entry;
  std::vector<std::byte> registers, local;
  std::byte *shared = nullptr;
  std::vector<std::byte> sharedStorage;
  std::vector<Warp> warps;
  std::array<Barrier, kNamedBarriers> barriers;
  uint32_t blockIndex = 0;
  Dim3 blockId;
  SharedRaces races;
  GlobalMemory::View memory;
  std::mt19937 random;
  LaunchReport report;
  std::set<std::pair<std::string, uint32_t>> seen;
  std::vector<uint64_t> executions; ///< by instruction, with counts
  bool globalRaces = false;         ///< accesses to global memory are recorded

  /// Records a finding at an instruction.
  void find(const char *check, const Instruction &at, const Warp &warp, unsigned lane, const std::string &what);
  [[noreturn]] void stop(const char *check, const Instruction &at, const Warp &warp, unsigned lane, const std::string &what);
  /// "thread 37 (line 120: st.shared.b32 …)"
  std::string other(uint32_t thread, uint32_t instruction) const;

private:
  void startBlock(uint64_t block);
  uint32_t specialValue(Special special, uint32_t warp, uint32_t lane) const;
  void runBlock();
  void step(Warp &warp, uint64_t quantum);
  void branch(Warp &warp, const Instruction &at, uint32_t taken);
  void park(Warp &warp, uint32_t pc, uint32_t mask, bool blocked);
  void reschedule(Warp &warp, bool currentBlocked);
  void exitLanes(Warp &warp, uint32_t mask);
  bool collectiveReady(Warp &warp, const Instruction &at, uint32_t mask);
  void arrive(Warp &warp, const Instruction &at, uint32_t mask);
  void release(unsigned id);
  void finishBlock();
};

/// The start of every entry's instruction tables (Decoder.cpp).
std::unique_ptr<Program> decodeProgram(std::string_view text);

} // namespace hb::ptx
