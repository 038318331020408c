// The module file (.hbm) as the runtime sees it: what `hbc` wrote, parsed and checked (docs/module-format.md).
#pragma once

#include "runtime/base/DType.h"
#include "runtime/base/MappedFile.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hb {

/// An input or output of a program.
struct TensorSpec {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  /// For ids: the half-open interval of allowed values (the rows of the table they index).
  std::optional<std::pair<int64_t, int64_t>> range;
  std::optional<double> fallback; ///< of a scalar input (float32 or int64): its value when the caller gives none

  int64_t elementCount() const;
  uint64_t byteSize() const { return static_cast<uint64_t>(elementCount()) * dtypeSize(dtype); }
};

/// One checkpoint tensor that a weight is made of.
struct WeightSource {
  std::string scope, key;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
};

/// How a weight lies in memory (the `kernel` dialect's WeightLayout; names are the same).
enum class WeightLayout { Dense, Panel16, GatedPanel16, DiagonalPanel16, WinogradF2, WinogradF4x2 };
std::optional<WeightLayout> parseWeightLayout(std::string_view name);

/// A weight as kernels read it: sources one after the other along axis 0 (DiagonalPanel16: along the diagonal), in a layout.
struct WeightSpec {
  std::vector<WeightSource> sources;
  WeightLayout layout = WeightLayout::Dense;
  DType dtype = DType::F32;    ///< of the packed elements
  std::vector<int64_t> shape;  ///< logical, of all sources together
  bool transposed = false;     ///< axes 0 and 1 of the sources are exchanged, taps reversed
};

/// A linear that has a run-time adapter slot.
struct AdapterSlot {
  std::string path;
  int64_t in = 0, out = 0;
};

/// The adapter slots of one network.
struct AdapterSet {
  std::string scope;
  int64_t rank = 0;
  std::vector<std::string> targets;
  std::vector<AdapterSlot> sites;
  std::vector<AdapterSlot> linears; ///< every linear of the network, to tell "not compiled in" from "no such module"
};

/// Where a command finds a tensor.
struct Binding {
  enum class Kind : uint8_t { Arena, Weight, Constant, Input, Output } kind = Kind::Arena;
  uint64_t value = 0; ///< byte offset (Arena, Constant) or index
};

/// One command of a program.
struct Command {
  enum class Kind : uint8_t { Launch, Copy, Repeat } kind = Kind::Launch;
  uint32_t kernel = 0;             ///< Launch
  std::vector<Binding> bindings;   ///< Launch: operands, results. Copy: source, target. Repeat: counter[, count]
  uint64_t bytes = 0;              ///< Copy
  int64_t maxTripCount = 0;        ///< Repeat: the trip count when there is no count binding, its bound otherwise
  std::vector<Command> body;       ///< Repeat
};

struct Program {
  std::string name;
  uint64_t arenaBytes = 0, lowerBoundBytes = 0;
  std::vector<TensorSpec> inputs, outputs;
  std::vector<Command> commands;
  nlohmann::json stats;
};

/// What a product or an attention computes, for reports on speed: nothing is executed by these numbers. Those that a form lacks are 0.
struct KernelShape {
  enum class Form : uint8_t { Other, Linear, Conv2d, Planes, Attention } form = Form::Other;
  int64_t rows = 0, columns = 0, depth = 0;                    ///< M, N, K of the product (Planes: of each plane)
  int64_t planes = 0;                                          ///< Planes
  int64_t batch = 0, queries = 0, keys = 0, heads = 0;         ///< Attention
  int64_t width = 0, valueWidth = 0;                           ///< Attention: of one head
};

struct KernelInfo {
  std::string symbol, family, source;
  int64_t grid = 1;          ///< tasks (x86-64), blocks of threads (CUDA)
  int64_t block = 1;         ///< threads of a block; 1 on x86-64
  uint64_t sharedBytes = 0;  ///< dynamic shared memory of a block; 0 on x86-64
  uint64_t scratchBytes = 0; ///< private memory of a task; 0 on CUDA
  double flops = 0, flopsExecuted = 0, bytes = 0; ///< of the algorithm, of the code
  KernelShape shape;
};

/// Machine code of one target variant.
struct CodeVariant {
  std::string target, cpu;
  std::vector<std::string> features;
  uint64_t offset = 0, size = 0;
};

struct SignatureTensor {
  std::string scope, name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
};

struct ScopePath {
  std::string name, path;
};

/// What a module holds for one target: its kernels, and the programs over them.
struct ModuleTarget {
  std::string name; ///< "x86-64", "cuda:sm_80"
  std::vector<WeightSpec> weights;
  std::vector<KernelInfo> kernels;
  std::vector<CodeVariant> code;
  std::vector<Program> programs;
  uint64_t constantsOffset = 0, constantsSize = 0;
};

/// Which of a module's targets to use, by their names; none when nothing fits.
using TargetChoice = std::function<std::optional<size_t>(const std::vector<std::string> &)>;
/// The target for this processor.
std::optional<size_t> chooseCpuTarget(const std::vector<std::string> &names);
/// Whichever comes first: for looking at a module rather than running it.
std::optional<size_t> chooseAnyTarget(const std::vector<std::string> &names);

/// A loaded module, seen for one of its targets. Immutable; blobs stay mapped as long as it lives.
class Module : public ModuleTarget {
public:
  /// Throws HB0401 – HB0409 on a file that is no module, of another version, truncated or inconsistent; HB0407 when it has no target of the choice.
  static Module open(const std::string &path, const TargetChoice &choose = chooseCpuTarget);

  const std::string &path() const { return file_.path(); }
  std::string compiler, modelKind, modelPath, modelClass;
  std::string dtype; ///< "f32", "bf16" or "f16": how weights and activations are stored (hbc compile --dtype)
  std::string math; ///< "strict" or "fast": what rounding the kernels were chosen for
  std::vector<std::string> flags;
  std::vector<ScopePath> scopes;
  std::vector<SignatureTensor> signature;
  std::vector<AdapterSet> adapters;
  std::vector<std::string> targetNames; ///< of all targets in the file; `name` is the one it was opened for
  nlohmann::json training; ///< what `hummingbird_loss_and_grad` was compiled for (docs/module-format.md); null without it
  nlohmann::json pipeline; ///< settings of `generate`; null for single networks
  nlohmann::json header;   ///< the whole header, for `hb-rt inspect`

  /// The program of an entry; HB0501 lists the entries there are.
  const Program &entry(const std::string &name) const;
  const Program *findEntry(const std::string &name) const;
  std::span<const std::byte> blob(uint64_t offset, uint64_t size) const;
  std::span<const std::byte> constants() const { return blob(constantsOffset, constantsSize); }
  uint64_t fileSize() const { return file_.size(); }

private:
  MappedFile file_;
  uint64_t blobStart_ = 0;
  friend class ModuleParser;
};

} // namespace hb
