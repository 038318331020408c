#include "tests/lowering/emit/SimulatedKernel.h"

#include "dialects/kernel/Kernel.h"
#include "lowering/emit/nvvm/EmitNvvm.h"
#include "runtime/abi/kernel.h"
#include "runtime/device/cuda/sim/Simulator.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>

using namespace mlir;

namespace hb::test {
namespace {

/// Bytes of the buffer that holds a tensor.
size_t bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t elements = tensor.getNumElements();
  if (auto strided = dyn_cast_or_null<kernel::StridedAttr>(tensor.getEncoding())) {
    elements = strided.getOffset() + 1;
    for (auto [extent, stride] : llvm::zip_equal(tensor.getShape(), strided.getStrides()))
      elements += (extent - 1) * stride;
  } else if (auto packed = dyn_cast_or_null<kernel::PackedAttr>(tensor.getEncoding())) {
    const int64_t rows = tensor.getDimSize(0), halves = packed.getLayout() == kernel::WeightLayout::gated_panel16 ? 2 : 1;
    if (packed.getLayout() != kernel::WeightLayout::dense)
      elements = elements / rows * halves * ((rows / halves + 15) / 16 * 16);
  }
  return static_cast<size_t>(elements) * tensor.getElementTypeBitWidth() / 8;
}

} // namespace

bool SimulatedKernel::compile(ModuleOp module) {
  std::vector<CodeBlob> blobs;
  if (failed(emitNvvm(module, nvvm::CudaTarget{80}, blobs, nullptr)))
    return false;
  kernel::DefOp def = *module.getOps<kernel::DefOp>().begin();
  auto number = [&](const char *name) { return def->getAttrOfType<IntegerAttr>(name).getInt(); };
  grid = number("grid");
  block = number("block");
  sharedBytes = number("shared_bytes");
  symbol_ = def.getSymName().str();
  ptx.assign(blobs[0].object.begin(), blobs[0].object.end());
  code_ = ptx::Code::parse(ptx);
  Block &body = def.getBody().front();
  for (Type type : body.getArgumentTypes())
    bytes_.push_back(bytesOf(type));
  for (Value result : body.getTerminator()->getOperands())
    bytes_.push_back(bytesOf(result.getType()));
  results_ = body.getTerminator()->getNumOperands();
  return true;
}

int SimulatedKernel::replace(const std::string &from, const std::string &to) {
  int count = 0;
  for (size_t at = 0; (at = ptx.find(from, at)) != ptx.npos; at += to.size(), ++count)
    ptx.replace(at, from.size(), to);
  code_ = ptx::Code::parse(ptx);
  return count;
}

void SimulatedKernel::run(const std::vector<void *> &buffers) {
  constexpr size_t guard = 256;
  struct Copy {
    char *memory = nullptr;
    size_t bytes = 0;
  };
  std::map<void *, Copy> copies;
  for (size_t i = 0; i < buffers.size(); ++i)
    copies[buffers[i]].bytes = std::max(copies[buffers[i]].bytes, bytes_[i]);
  ptx::Simulator simulator;
  for (auto &[original, copy] : copies) {
    const size_t whole = (guard + copy.bytes + guard + 255) / 256 * 256;
    copy.memory = static_cast<char *>(std::aligned_alloc(256, whole));
    std::memset(copy.memory, 0xff, whole);
    std::memcpy(copy.memory + guard, original, copy.bytes);
    simulator.allow(copy.memory + guard, copy.bytes + HB_READABLE_TAIL_BYTES);
  }
  std::vector<std::byte> parameters(8 * buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    char *at = copies[buffers[i]].memory + guard;
    std::memcpy(parameters.data() + 8 * i, &at, 8);
  }
  ptx::CheckOptions options;
  options.scheduleSeed = runs_++; // in order at first, then in orders of its own
  ptx::LaunchReport report = simulator.launch(*code_, symbol_, {static_cast<uint32_t>(grid)}, {static_cast<uint32_t>(block)}, static_cast<size_t>(sharedBytes), parameters, options);
  std::string found;
  for (const ptx::Finding &finding : report.findings)
    found += finding.check + " in " + finding.kernel + ": " + finding.instruction + ": " + finding.what + "\n";
  for (auto &[original, copy] : copies) {
    for (char *byte = copy.memory + guard + copy.bytes; byte < copy.memory + guard + copy.bytes + HB_READABLE_TAIL_BYTES; ++byte)
      if (*byte != '\xff') {
        found += "a write behind a tensor's end\n";
        break;
      }
    std::memcpy(original, copy.memory + guard, copy.bytes);
    std::free(copy.memory);
  }
  if (!found.empty())
    throw std::runtime_error(found);
}

} // namespace hb::test
