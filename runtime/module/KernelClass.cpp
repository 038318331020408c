#include "runtime/module/KernelClass.h"

namespace hb {

std::span<const KernelClassName> kernelClasses() {
  static constexpr KernelClassName kNames[] = {
      {KernelClass::ManyRows, "GEMMs with M >= 64"},
      {KernelClass::FewRows, "other GEMMs"},
      {KernelClass::Convolution, "convolutions (direct)"},
      {KernelClass::WinogradPlanes, "Winograd planes (algorithmic FLOPs)"},
      {KernelClass::SelfAttention, "self-attention"},
      {KernelClass::FewKeys, "cross-attention / few keys"},
      {KernelClass::Unrecorded, "products without a recorded shape"},
      {KernelClass::Rest, "normalisation, maps, transforms"},
  };
  return kNames;
}

KernelClass kernelClass(const KernelInfo &kernel) {
  const KernelShape &shape = kernel.shape;
  switch (shape.form) {
  case KernelShape::Form::Linear:
    return shape.rows >= kManyRows ? KernelClass::ManyRows : KernelClass::FewRows;
  case KernelShape::Form::Conv2d:
    return KernelClass::Convolution;
  case KernelShape::Form::Planes:
    return KernelClass::WinogradPlanes;
  case KernelShape::Form::Attention:
    return shape.queries == shape.keys && shape.keys >= kManyKeys ? KernelClass::SelfAttention : KernelClass::FewKeys;
  case KernelShape::Form::Other:
    break;
  }
  return kernel.family == "contract" || kernel.family == "attention" || kernel.family == "attention_vjp" ? KernelClass::Unrecorded : KernelClass::Rest;
}

} // namespace hb
