// One CUDA device in use: its context and its stream, and errors in the words of the runtime.
#pragma once

#include "runtime/device/cuda/Driver.h"

#include <string>

namespace hb::cuda {

inline Address addressOf(const std::byte *pointer) { return reinterpret_cast<Address>(pointer); }

class CudaContext {
public:
  /// `name` as in --device, for messages. HB0904 when there is no device of that number, HB0906.
  CudaContext(const Driver &driver, int ordinal, std::string name);
  ~CudaContext();
  CudaContext(const CudaContext &) = delete;
  CudaContext &operator=(const CudaContext &) = delete;

  const Driver &driver() const { return driver_; }
  const DeviceInfo &info() const { return info_; }
  StreamHandle stream() const { return stream_; }
  int sharedBytesOptIn() const { return sharedBytes_; }
  /// Makes the context the calling thread's, as every call below needs it.
  void enter() const;
  /// The same where nothing may be thrown, in destructors.
  void enterToFree() const { driver_.ctxSetCurrent(context_); }
  /// Throws unless a call succeeded: HB0908 with what the simulator found, HB0903 out of memory, HB0906 otherwise.
  void check(Result result, const char *call) const;
  void synchronize() const { check(driver_.streamSynchronize(stream_), "cuStreamSynchronize"); }

private:
  const Driver &driver_;
  DeviceInfo info_;
  DeviceHandle device_ = 0;
  ContextHandle context_ = nullptr;
  StreamHandle stream_ = nullptr;
  int sharedBytes_ = 0;
};

/// An event that ends with its owner.
class CudaEvent {
public:
  CudaEvent(const CudaContext &context, unsigned flags) : context_(context) { context.check(context.driver().eventCreate(&event_, flags), "cuEventCreate"); }
  ~CudaEvent() {
    context_.enterToFree();
    context_.driver().eventDestroy(event_);
  }
  CudaEvent(const CudaEvent &) = delete;
  CudaEvent &operator=(const CudaEvent &) = delete;

  void record() { context_.check(context_.driver().eventRecord(event_, context_.stream()), "cuEventRecord"); }
  void wait() { context_.check(context_.driver().eventSynchronize(event_), "cuEventSynchronize"); }
  double secondsSince(const CudaEvent &start) const {
    float milliseconds = 0;
    context_.check(context_.driver().eventElapsedTime(&milliseconds, start.event_, event_), "cuEventElapsedTime");
    return milliseconds * 1e-3;
  }

private:
  const CudaContext &context_;
  EventHandle event_ = nullptr;
};

/// What the driver says of device `ordinal`, without a context. HB0906.
DeviceInfo describeDevice(const Driver &driver, int ordinal, const std::string &name);

} // namespace hb::cuda
