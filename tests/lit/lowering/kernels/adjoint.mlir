// Both directions of a product read one packed weight; the gradient alone packs it transposed.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels))' | FileCheck %s
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-select-winograd{least-shared-tiles=16}))' | FileCheck %s --check-prefix=PLANES
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-select-winograd))' | FileCheck %s --check-prefix=FEW
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-select-winograd{least-shared-tiles=8 large-tiles=true}))' | FileCheck %s --check-prefix=LARGE

// CHECK-LABEL: func.func @linear
// CHECK: %[[W:.*]] = kernel.weight [#kernel.source<"", "w", tensor<96x64xf16>>] : tensor<96x64xf16, #kernel.packed<panel16>>
// CHECK-NOT: kernel.weight {{.*}}"w"
// CHECK: kernel.contract linear a(%{{.*}}) weight(%[[W]] : {{.*}}) {maps = []
// CHECK: kernel.contract linear a(%{{.*}}) weight(%[[W]] : {{.*}}) {adjoint, maps = []} -> tensor<8x64xf32>
func.func @linear(%x: tensor<8x64xf32>, %dy: tensor<8x96xf32>) -> (tensor<8x96xf32>, tensor<8x64xf32>) {
  %w = nn.param "" "w" : tensor<96x64xf16>
  %0 = nn.linear %x, %w : (tensor<8x64xf32>, tensor<96x64xf16>) -> tensor<8x96xf32>
  %1 = nn.linear_vjp %dy, %w : (tensor<8x96xf32>, tensor<96x64xf16>) -> tensor<8x64xf32>
  return %0, %1 : tensor<8x96xf32>, tensor<8x64xf32>
}

// CHECK-LABEL: func.func @alone
// CHECK: kernel.weight [#kernel.source<"", "w", tensor<96x64xf16>>] {transposed} : tensor<64x96xf16, #kernel.packed<panel16>>
// CHECK-NOT: adjoint
// CHECK: return
func.func @alone(%dy: tensor<8x96xf32>) -> tensor<8x64xf32> {
  %w = nn.param "" "w" : tensor<96x64xf16>
  %0 = nn.linear_vjp %dy, %w : (tensor<8x96xf32>, tensor<96x64xf16>) -> tensor<8x64xf32>
  return %0 : tensor<8x64xf32>
}

// CHECK-LABEL: func.func @conv
// CHECK: %[[W:.*]] = kernel.weight {{.*}} : tensor<96x64x3x3xf16, #kernel.packed<panel16>>
// CHECK: kernel.contract conv2d a(%{{.*}}) weight(%[[W]] :
// CHECK: kernel.contract conv2d a(%{{.*}}) weight(%[[W]] : {{.*}}adjoint
// PLANES-LABEL: func.func @conv
// PLANES: %[[W:.*]] = kernel.weight {{.*}} : tensor<96x64x3x3xf32, #kernel.packed<winograd_f2>>
// PLANES-NOT: kernel.weight
// PLANES: kernel.contract planes a(%{{.*}}) weight(%[[W]] : {{.*}}) {maps = []
// PLANES: kernel.contract planes a(%{{.*}}) weight(%[[W]] : {{.*}}) {adjoint, maps = []
// FEW-LABEL: func.func @conv
// FEW-NOT: winograd
// FEW: return
// The larger tiles' planes do not contain their reversal.
// LARGE-LABEL: func.func @conv
// LARGE-DAG: kernel.weight {{.*}}] : tensor<96x64x3x3xf32, #kernel.packed<winograd_f4x2>>
// LARGE-DAG: kernel.weight {{.*}} {transposed} : tensor<64x96x3x3xf32, #kernel.packed<winograd_f4x2>>
// LARGE-NOT: adjoint
// LARGE: return
func.func @conv(%x: tensor<1x8x8x64xf32>, %dy: tensor<1x8x8x96xf32>) -> (tensor<1x8x8x96xf32>, tensor<1x8x8x64xf32>) {
  %w = nn.param "" "w" : tensor<96x64x3x3xf16>
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x64xf32>, tensor<96x64x3x3xf16>) -> tensor<1x8x8x96xf32>
  %1 = nn.conv2d_vjp %dy, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x96xf32>, tensor<96x64x3x3xf16>) -> tensor<1x8x8x64xf32>
  return %0, %1 : tensor<1x8x8x96xf32>, tensor<1x8x8x64xf32>
}

// Gradients of LoRA factors are sums of outer products of rows, whichever side is the wide one.
// CHECK-LABEL: func.func @factors
// CHECK: kernel.contract outer a(%arg0 : tensor<77x96xf32>) weight(%arg1 : tensor<77x8xf32>) {maps = []} -> tensor<96x8xf32>
// CHECK: kernel.contract outer a(%arg1 : tensor<77x8xf32>) weight(%arg0 : tensor<77x96xf32>) {maps = []} -> tensor<8x96xf32>
// CHECK-NOT: kernel.reduce
// CHECK: return
func.func @factors(%dy: tensor<77x96xf32>, %u: tensor<77x8xf32>) -> (tensor<96x8xf32>, tensor<8x96xf32>) {
  %0 = nn.matmul %dy, %u {transpose_a} : (tensor<77x96xf32>, tensor<77x8xf32>) -> tensor<96x8xf32>
  %1 = nn.matmul %u, %dy {transpose_a} : (tensor<77x8xf32>, tensor<77x96xf32>) -> tensor<8x96xf32>
  return %0, %1 : tensor<96x8xf32>, tensor<8x96xf32>
}
