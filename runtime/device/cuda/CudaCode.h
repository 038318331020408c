// The kernels of a module on a CUDA device.
#pragma once

#include "runtime/device/cuda/CudaContext.h"

#include <vector>

namespace hb::cuda {

/// Loads machine code made for exactly this device when the module has it, else its PTX, which the driver compiles (and keeps in its own cache).
class CudaCode : public DeviceCode {
public:
  /// HB0407 when a kernel asks for more shared memory than the device has, HB0408 with the driver's log.
  CudaCode(const Module &module, const CudaContext &context);

  const CodeVariant &variant() const override { return *variant_; }
  std::unique_ptr<Recording> record(const PlacedProgram &program) override;
  /// Puts a launch of the kernel into the stream; `addresses` are its operands, then its results.
  void launch(uint32_t kernel, std::byte *const *addresses, size_t count) const;

private:
  /// A module of the driver, unloaded with it; a member of its own so that a constructor that fails lets go of it too.
  struct LoadedModule {
    const CudaContext &context;
    ModuleHandle handle = nullptr;
    ~LoadedModule();
  };
  void choose();
  void load();

  const Module &module_;
  const CudaContext &context_;
  const CodeVariant *variant_ = nullptr;
  LoadedModule loaded_;
  std::vector<FunctionHandle> functions_;
};

} // namespace hb::cuda
