// Kernels in the classes by which speed is judged: a floor on "products of many rows" needs to know which kernels those are.
#pragma once

#include "runtime/module/Module.h"

#include <span>

namespace hb {

enum class KernelClass { ManyRows, FewRows, Convolution, WinogradPlanes, SelfAttention, FewKeys, Unrecorded, Rest };

/// Products of fewer rows are bound by the stream of their weight, attention to fewer keys by what it does once per query.
inline constexpr int64_t kManyRows = 64, kManyKeys = 128;

struct KernelClassName {
  KernelClass kind;
  const char *name; ///< as in reports
};

/// All classes in the order of reports.
std::span<const KernelClassName> kernelClasses();
KernelClass kernelClass(const KernelInfo &kernel);

} // namespace hb
