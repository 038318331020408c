#include "runtime/exec/Session.h"

#include "runtime/device/cpu/ThreadPool.h"

namespace hb {

Session::Session(const std::string &path, const SessionOptions &options)
    : threads_(options.threads > 0 ? options.threads : availableProcessors()), device_(openDevice(options.device, {threads_})),
      module_(Module::open(path, [&](const std::vector<std::string> &names) { return device_->chooseTarget(names, path); })), code_(device_->load(module_)),
      weights_(std::make_unique<WeightStore>(module_, options.weights, WeightStoreOptions{threads_, options.cache})),
      deviceWeights_(std::make_unique<DeviceWeights>(module_, *weights_, *device_)) {}

Executor &Session::executor(const std::string &entry) {
  auto &executor = executors_[entry];
  if (!executor)
    executor = std::make_unique<Executor>(module_, module_.entry(entry), *device_, *code_, *deviceWeights_);
  return *executor;
}

} // namespace hb
