// A program run command by command on the processor.
#pragma once

#include "runtime/device/Device.h"
#include "runtime/device/cpu/CodeLibrary.h"
#include "runtime/device/cpu/ThreadPool.h"

namespace hb {

/// Running it allocates nothing.
class CpuRecording : public Recording {
public:
  CpuRecording(const PlacedProgram &program, const Module &module, const CodeLibrary &library, ThreadPool &pool);
  bool run(const RunHooks &hooks) override;

private:
  void reserve(const std::vector<PlacedCommand> &commands);
  bool execute(const std::vector<PlacedCommand> &commands, const RunHooks &hooks, int depth);
  bool launch(const PlacedCommand &placed, void *const *addresses, const RunHooks &hooks);

  const PlacedProgram &program_;
  const Module &module_;
  const CodeLibrary &library_;
  ThreadPool &pool_;
};

} // namespace hb
