#include "runtime/device/cpu/CodeLibrary.h"

#include "runtime/base/Error.h"
#include "runtime/device/cpu/CpuFeatures.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

namespace hb {
namespace {

std::string join(const std::vector<std::string> &words) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : " ") + word;
  return text;
}

/// The loader wants a file: an anonymous one in memory, so that nothing is written to disk and nothing has to be cleaned up.
int memoryFile(std::span<const std::byte> bytes, const std::string &where) {
  int fd = memfd_create("hb-module", MFD_CLOEXEC);
  if (fd < 0)
    throw Error(903, where, "memory for the module's code", "none", "close other programs");
  for (size_t done = 0; done < bytes.size();) {
    ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
    if (n <= 0) {
      close(fd);
      throw Error(903, where, std::to_string(bytes.size()) + " bytes for the module's code", "none left", "close other programs");
    }
    done += static_cast<size_t>(n);
  }
  return fd;
}

} // namespace

CodeLibrary::CodeLibrary(const Module &module) {
  std::string have;
  for (const CodeVariant &variant : module.code) {
    std::vector<std::string> missing = missingCpuFeatures(variant.features);
    have += (have.empty() ? "" : "; ") + variant.target + " " + variant.cpu + (missing.empty() ? "" : " (needs " + join(missing) + ")");
    if (variant.target == "x86-64" && missing.empty())
      variant_ = &variant;
  }
  if (!variant_)
    throw Error(407, module.path(), "code that this processor can run", have.empty() ? "no code" : have, "compile again with --target x86-64,cpu=x86-64-v3");
  int fd = memoryFile(module.blob(variant_->offset, variant_->size), module.path());
  handle_ = dlopen(("/proc/self/fd/" + std::to_string(fd)).c_str(), RTLD_NOW | RTLD_LOCAL);
  close(fd);
  if (!handle_) {
    const char *reason = dlerror();
    throw Error(408, module.path(), "a shared object the system can load", reason ? reason : "an error", "compile the model again");
  }
  kernels_.reserve(module.kernels.size());
  for (const KernelInfo &kernel : module.kernels) {
    void *symbol = dlsym(handle_, kernel.symbol.c_str());
    if (!symbol)
      throw Error(408, module.path(), "the kernel " + kernel.symbol, "no such symbol", "compile the model again");
    kernels_.push_back(reinterpret_cast<hb_kernel_fn>(symbol));
  }
}

CodeLibrary::~CodeLibrary() {
  if (handle_)
    dlclose(handle_);
}

} // namespace hb
