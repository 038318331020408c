// Executes PTX on the CPU, one warp of 32 lanes at a time, and checks what a GPU would not tell.
//
// The device `cuda:sim` and the tests of emitted kernels stand on it (docs/cuda-simulator.md). Device addresses are host addresses:
// a kernel may touch the ranges given to Simulator::allow, the module's own variables, its shared and its local memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hb::ptx {

struct Program;

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct CheckOptions {
  bool races = true;             ///< shared memory between threads; global memory between threads and, on one host thread, between blocks
  bool bounds = true;            ///< global accesses against the allowed ranges (shared and local memory are always bounded)
  bool initialised = true;       ///< shared memory read before anybody wrote it
  bool counts = false;           ///< instruction mix, bank conflicts, sectors
  uint32_t scheduleSeed = 0;     ///< 0: blocks and warps in order; else their order and time slices are drawn from it
  unsigned threads = 1;          ///< host threads over the blocks; with more than one, blocks are not checked against each other
  uint64_t instructionBudget = uint64_t(1) << 32; ///< instructions a warp may execute before the launch counts as hanging
};

struct Finding {
  std::string check;       ///< "race", "out-of-bounds", "misaligned", "uninitialised", "divergence", "missing-wait", "deadlock", "read-only", "trap"
  std::string kernel;      ///< the entry
  std::string instruction; ///< "line 120: ld.shared.b32 %r1, [%r2]"
  std::string what;        ///< who did what: block, thread, address, the other thread
};

struct LaunchReport {
  std::vector<Finding> findings;                ///< the first few, distinct by check and instruction
  uint64_t findingCount = 0;                    ///< all of them
  std::map<std::string, uint64_t> instructions; ///< by opcode with its modifiers: executions by a warp (with `counts`)
  uint64_t sharedWavefronts = 0, sharedIdeal = 0; ///< passes over the banks; as many as the bytes alone would need (with `counts`)
  uint64_t globalSectors = 0, globalIdeal = 0;  ///< 32-byte sectors touched; as many as the bytes alone would need (with `counts`)
};

struct EntryInfo {
  std::string name;
  std::vector<uint32_t> parameterBytes; ///< in order; a parameter lies at the next multiple of its alignment, as in a C struct
  uint32_t staticSharedBytes = 0;
  uint32_t maxThreads = 0; ///< of .maxntid / .reqntid, 0 when the entry says nothing
};

/// One PTX text, decoded. Its .global and .const variables live as long as it does.
class Code {
public:
  /// Reads a module (a trailing NUL is fine). HB0981 with the line for what is not PTX or is an instruction the simulator does not know.
  static std::shared_ptr<const Code> parse(std::string_view ptx);
  ~Code();
  const EntryInfo *find(std::string_view entry) const;
  std::vector<const EntryInfo *> entries() const;
  /// The bytes of a module-scope variable; empty when there is none of that name.
  std::span<std::byte> variable(std::string_view name) const;

private:
  friend class Simulator;
  explicit Code(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

class Simulator {
public:
  Simulator();
  ~Simulator();
  Simulator(const Simulator &) = delete;
  Simulator &operator=(const Simulator &) = delete;

  /// Kernels may read (and write) these bytes from now on. A range may not overlap another one.
  void allow(const void *start, size_t bytes, bool writable = true);
  void forget(const void *start);

  /// Executes a grid. HB0982 when the launch itself is impossible (no such entry, another size of parameters, too many threads);
  /// what goes wrong while it runs is in the report, and the launch ends at the first finding that leaves no way to go on.
  LaunchReport launch(const Code &code, std::string_view entry, Dim3 grid, Dim3 block, size_t dynamicSharedBytes,
                      std::span<const std::byte> parameters, const CheckOptions &options = {});

private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace hb::ptx
