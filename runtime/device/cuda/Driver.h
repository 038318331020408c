// The CUDA driver as a table of functions: the library of the machine, or the simulator behind the same calls. Types and numbers are declared
// here, so that neither building nor starting needs anything of CUDA.
#pragma once

#include "runtime/device/Device.h"

#include <cstddef>
#include <utility>
#include <string>
#include <vector>

namespace hb::cuda {

using Result = int;
using DeviceHandle = int;
using Address = unsigned long long;
using ContextHandle = struct ContextTag *;
using ModuleHandle = struct ModuleTag *;
using FunctionHandle = struct FunctionTag *;
using StreamHandle = struct StreamTag *;
using EventHandle = struct EventTag *;
using GraphHandle = struct GraphTag *;
using GraphExecHandle = struct GraphExecTag *;

/// CUresult, as far as the runtime tells results apart.
enum : Result {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kNoBinaryForGpu = 209,
  kInvalidPtx = 218,
  kInvalidHandle = 400,
  kNotFound = 500,
  kLaunchFailed = 719,
};

enum DeviceAttribute : int { kMultiprocessorCount = 16, kCapabilityMajor = 75, kCapabilityMinor = 76, kSharedBytesOptIn = 97 };
enum FunctionAttribute : int { kMaxDynamicSharedBytes = 8 };
enum JitOption : int { kJitInfoLog = 3, kJitInfoLogBytes = 4, kJitErrorLog = 5, kJitErrorLogBytes = 6 };
constexpr unsigned kStreamNonBlocking = 1, kEventDefault = 0, kEventDisableTiming = 2;
constexpr int kCaptureThreadLocal = 1;

struct Driver {
#define HB_CUDA_FUNCTION(member, symbol, parameters) Result(*member) parameters = nullptr;
#include "runtime/device/cuda/Driver.def"
#undef HB_CUDA_FUNCTION

  bool simulated = false;
  /// Only the simulator: what it found when a launch failed, as "<kernel>" and a sentence; empty when it found nothing.
  std::pair<std::string, std::string> (*takeFinding)() = nullptr;
  /// Only the simulator: narrows what kernels may touch of an allocation.
  void (*restrict)(Address, const std::vector<MemoryPiece> &) = nullptr;
};

/// Loads the first of `libraries` that is there and calls cuInit. HB0905 saying what was tried.
Driver loadDriver(const std::vector<std::string> &libraries);
/// The machine's driver, loaded once.
const Driver &machineDriver();

} // namespace hb::cuda
