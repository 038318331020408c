#include "runtime/exec/Session.h"

namespace hb {

Session::Session(const std::string &path, const SessionOptions &options)
    : module_(Module::open(path)), code_(module_), pool_(options.threads > 0 ? options.threads : availableProcessors(), 64),
      weights_(std::make_unique<WeightStore>(module_, options.weights, WeightStoreOptions{pool_.threads(), options.cache})) {}

Executor &Session::executor(const std::string &entry) {
  auto &executor = executors_[entry];
  if (!executor)
    executor = std::make_unique<Executor>(module_, module_.entry(entry), code_, *weights_, pool_);
  return *executor;
}

} // namespace hb
