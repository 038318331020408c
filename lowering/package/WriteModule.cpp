// The module file: header, then 64-byte-aligned blobs (constants, code).
#include "lowering/kernels/FastMath.h"
#include "lowering/kernels/NarrowStorage.h"
#include "lowering/package/Commands.h"
#include "lowering/package/KernelShape.h"
#include "lowering/package/WriteModule.h"
#include "runtime/abi/kernel.h"
#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"

using namespace mlir;
using nlohmann::json;

namespace hb {

static constexpr uint64_t kBlobAlignment = 64;
static uint64_t alignUp(uint64_t bytes) { return (bytes + kBlobAlignment - 1) / kBlobAlignment * kBlobAlignment; }

/// The constants of the module as bytes; empty when there are none.
static llvm::ArrayRef<char> constantBytes(ModuleOp module, std::vector<char> &storage) {
  auto constants = module->getAttrOfType<DenseElementsAttr>("plan.constants");
  if (!constants)
    return {};
  if (!constants.isSplat())
    return constants.getRawData();
  // A splat keeps one element only.
  storage.assign(constants.getNumElements(), constants.getRawData().front());
  return storage;
}

static json weightsJson(ModuleOp module) {
  json weights = json::array();
  auto table = module->getAttrOfType<ArrayAttr>("plan.weights");
  if (!table)
    return weights;
  for (auto entry : table.getAsRange<DictionaryAttr>()) {
    json weight = tensorJson(cast<RankedTensorType>(entry.getAs<TypeAttr>("type").getValue()));
    weight["layout"] = entry.getAs<StringAttr>("layout").str();
    if (entry.getAs<UnitAttr>("transposed"))
      weight["transposed"] = true;
    weight["sources"] = json::array();
    for (auto source : entry.getAs<ArrayAttr>("sources").getAsRange<kernel::SourceAttr>()) {
      json item = tensorJson(source.getType());
      item["scope"] = source.getScope().str();
      item["key"] = source.getKey().str();
      weight["sources"].push_back(std::move(item));
    }
    weights.push_back(std::move(weight));
  }
  return weights;
}

static json kernelJson(kernel::DefOp def, bool needsGrid) {
  auto integer = [&](StringRef name) -> int64_t {
    auto attribute = def->getAttrOfType<IntegerAttr>(name);
    if (!attribute && needsGrid)
      throw Error(840, "kernel " + def.getSymName().str(), "the attribute " + name.str() + ", set by the emitter", "none", "please report this defect");
    return attribute ? attribute.getInt() : 0;
  };
  auto source = def->getAttrOfType<StringAttr>("source");
  Operation &op = def.getBody().front().front();
  json shape = kernelShapeJson(&op);
  json kernel = {{"symbol", def.getSymName().str()},
                 {"family", op.getName().stripDialect().str()},
                 {"grid", integer("grid")},
                 {"scratch_bytes", integer("scratch_bytes")},
                 {"flops", integer("flops")},
                 {"bytes", integer("bytes")},
                 {"source", source ? source.str() : ""}};
  if (auto executed = def->getAttrOfType<IntegerAttr>("flops_executed"))
    kernel["flops_executed"] = executed.getInt();
  if (!shape.is_null())
    kernel["shape"] = std::move(shape);
  for (const char *name : {"block", "shared_bytes"}) // of devices whose tasks are blocks of threads
    if (auto attribute = def->getAttrOfType<IntegerAttr>(name))
      kernel[name] = attribute.getInt();
  return kernel;
}

/// One target's part of the header; its blobs begin at `offset`, which moves behind them.
static json targetJson(PackageTarget target, uint64_t &offset) {
  json part = {{"name", target.name}, {"weights", weightsJson(target.module)}, {"kernels", json::array()}, {"programs", json::array()}, {"code", json::array()}};
  llvm::StringMap<int64_t> numbers;
  for (auto def : target.module.getOps<kernel::DefOp>()) {
    numbers[def.getSymName()] = part["kernels"].size();
    part["kernels"].push_back(kernelJson(def, !target.code.empty()));
  }
  for (auto program : target.module.getOps<plan::ProgramOp>())
    part["programs"].push_back(programJson(program, numbers));
  std::vector<char> storage;
  uint64_t constants = constantBytes(target.module, storage).size();
  part["constants"] = {{"offset", offset}, {"size", constants}};
  offset = alignUp(offset + constants);
  for (const CodeBlob &blob : target.code) {
    part["code"].push_back({{"target", blob.target}, {"cpu", blob.cpu}, {"features", blob.features}, {"offset", offset}, {"size", blob.object.size()}});
    offset = alignUp(offset + blob.object.size());
  }
  return part;
}

json moduleHeader(llvm::ArrayRef<PackageTarget> targets, const PackageInfo &info) {
  ModuleOp module = targets.front().module;
  json header = {{"format", 2},
                 {"kernel_abi", HB_KERNEL_ABI_VERSION},
                 {"compiler", info.compiler},
                 {"flags", info.flags},
                 {"dtype", storageDtype(module).str()},
                 {"math", allowsFastMath(module) ? "fast" : "strict"},
                 {"model", {{"kind", info.modelKind}, {"path", info.modelPath}, {"class", info.modelClass}}},
                 {"adapters", info.adapters},
                 {"sources", info.sources},
                 {"training", info.training},
                 {"pipeline", info.pipeline}};
  header["scopes"] = json::array();
  for (const PackageScope &scope : info.scopes)
    header["scopes"].push_back({{"name", scope.name}, {"path", scope.path}});
  header["signature"] = json::array();
  for (const PackageTensor &tensor : info.signature)
    header["signature"].push_back({{"scope", tensor.scope}, {"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}});
  // Offsets count from the start of the blob area, so that they do not depend on the header's own length.
  uint64_t offset = 0;
  header["targets"] = json::array();
  for (const PackageTarget &target : targets)
    header["targets"].push_back(targetJson(target, offset));
  return header;
}

void writeModule(llvm::ArrayRef<PackageTarget> targets, const PackageInfo &info, llvm::StringRef path) {
  std::string header = moduleHeader(targets, info).dump();
  AtomicFile file(path.str());
  char length[8];
  for (int i = 0; i < 8; ++i)
    length[i] = static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i));
  file.write(length, sizeof(length));
  file.write(header);
  static constexpr char kZeros[kBlobAlignment] = {};
  auto pad = [&] { file.write(kZeros, alignUp(file.position()) - file.position()); };
  for (const PackageTarget &target : targets) {
    std::vector<char> storage;
    llvm::ArrayRef<char> constants = constantBytes(target.module, storage);
    pad();
    file.write(constants.data(), constants.size());
    for (const CodeBlob &blob : target.code) {
      pad();
      file.write(blob.object.data(), blob.object.size());
    }
  }
  file.commit();
}

} // namespace hb
