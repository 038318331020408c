// Norms become prologues of the linears that alone read them.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-fuse-prologues))' | FileCheck %s
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-fuse-prologues{least-products=2097152}))' | FileCheck %s --check-prefix=SMALL
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-fuse-prologues{most-width=31}))' | FileCheck %s --check-prefix=SMALL
// SMALL-NOT: norm(

// The projection's bias is an epilogue, the norm a prologue.
// CHECK-LABEL: func.func @layer(
// CHECK-SAME: %[[X:.*]]: tensor<2x2048x32xf32>
// CHECK-NOT: kernel.normalize
// CHECK: kernel.contract linear a(%[[X]] : tensor<2x2048x32xf32>) norm(layer weight %{{.*}}, %{{.*}} : tensor<32xf32>, tensor<32xf32>) weight(%{{.*}}) extras({{.*}}) {eps = 1.000000e-05 : f64
// CHECK-NOT: prologue
// CHECK: return
func.func @layer(%x: tensor<2x2048x32xf32>) -> tensor<2x2048x256xf32> {
  %g = nn.param "" "norm.weight" : tensor<32xf16>
  %h = nn.param "" "norm.bias" : tensor<32xf16>
  %w = nn.param "" "w" : tensor<256x32xf16>
  %b = nn.param "" "b" : tensor<256xf16>
  %0 = nn.layer_norm %x, %g, %h {eps = 1.0e-5 : f64} : (tensor<2x2048x32xf32>, tensor<32xf16>, tensor<32xf16>) -> tensor<2x2048x32xf32>
  %1 = nn.linear %0, %w, %b : (tensor<2x2048x32xf32>, tensor<256x32xf16>, tensor<256xf16>) -> tensor<2x2048x256xf32>
  return %1 : tensor<2x2048x256xf32>
}

// The statistics stay a kernel, their application and the activation move through the change of shape.
// CHECK-LABEL: func.func @group(
// CHECK-SAME: %[[X:.*]]: tensor<2x32x64x32xf32>
// CHECK: %[[S:.*]] = kernel.group_stats %[[X]]
// CHECK-NOT: kernel.normalize
// CHECK: %[[V:.*]] = kernel.view %[[X]] : tensor<2x32x64x32xf32> -> tensor<2x2048x32xf32>
// CHECK: kernel.contract linear a(%[[V]] : tensor<2x2048x32xf32>) norm(group stats %[[S]] : tensor<2x{{.*}}x8x2xf32> weight
// CHECK: } prologue {
// CHECK: math.exp
// CHECK: arith.divf
// CHECK: return
func.func @group(%x: tensor<2x32x64x32xf32>) -> tensor<2x2048x256xf32> {
  %g = nn.param "" "norm.weight" : tensor<32xf16>
  %w = nn.param "" "w" : tensor<256x32xf16>
  %0 = nn.group_norm %x, %g, %g {groups = 8 : i64, eps = 1.0e-6 : f64, layout = #nn.layout<nhwc>} : (tensor<2x32x64x32xf32>, tensor<32xf16>, tensor<32xf16>) -> tensor<2x32x64x32xf32>
  %1 = nn.unary silu %0 : tensor<2x32x64x32xf32>
  %2 = nn.reshape %1 : tensor<2x32x64x32xf32> -> tensor<2x2048x32xf32>
  %3 = nn.linear %2, %w : (tensor<2x2048x32xf32>, tensor<256x32xf16>) -> tensor<2x2048x256xf32>
  return %3 : tensor<2x2048x256xf32>
}

// Another reader needs the normalised tensor anyway; rows that a view cuts anew are no rows of the norm.
// CHECK-LABEL: func.func @stays
// CHECK: kernel.normalize layer
// CHECK: kernel.contract linear a({{.*}}) weight(
// CHECK: kernel.normalize layer
// CHECK: kernel.contract linear a({{.*}}) weight(
func.func @stays(%x: tensor<4096x32xf32>) -> (tensor<4096x32xf32>, tensor<4096x256xf32>, tensor<8192x256xf32>) {
  %g = nn.param "" "norm.weight" : tensor<32xf16>
  %w = nn.param "" "w" : tensor<256x32xf16>
  %v = nn.param "" "v" : tensor<256x16xf16>
  %0 = nn.layer_norm %x, %g, %g {eps = 1.0e-5 : f64} : (tensor<4096x32xf32>, tensor<32xf16>, tensor<32xf16>) -> tensor<4096x32xf32>
  %1 = nn.linear %0, %w : (tensor<4096x32xf32>, tensor<256x32xf16>) -> tensor<4096x256xf32>
  %2 = nn.layer_norm %x, %g, %g {eps = 1.0e-3 : f64} : (tensor<4096x32xf32>, tensor<32xf16>, tensor<32xf16>) -> tensor<4096x32xf32>
  %3 = nn.reshape %2 : tensor<4096x32xf32> -> tensor<8192x16xf32>
  %4 = nn.linear %3, %v : (tensor<8192x16xf32>, tensor<256x16xf16>) -> tensor<8192x256xf32>
  return %0, %1, %4 : tensor<4096x32xf32>, tensor<4096x256xf32>, tensor<8192x256xf32>
}

// What a loop finds done is not done again in every iteration.
// CHECK-LABEL: func.func @invariant
// CHECK: kernel.normalize layer
// CHECK: nn.repeat
// CHECK: kernel.contract linear a({{.*}}) weight(
func.func @invariant(%x: tensor<4096x256xf32>) -> tensor<4096x256xf32> {
  %g = nn.param "" "norm.weight" : tensor<256xf16>
  %w = nn.param "" "w" : tensor<256x256xf16>
  %0 = nn.layer_norm %x, %g, %g {eps = 1.0e-5 : f64} : (tensor<4096x256xf32>, tensor<256xf16>, tensor<256xf16>) -> tensor<4096x256xf32>
  %1 = nn.repeat max 3 inits(%x) : (tensor<4096x256xf32>) -> (tensor<4096x256xf32>) {
  ^bb0(%i: tensor<i64>, %carried: tensor<4096x256xf32>):
    %2 = nn.linear %0, %w : (tensor<4096x256xf32>, tensor<256x256xf16>) -> tensor<4096x256xf32>
    %3 = nn.binary add %2, %carried : (tensor<4096x256xf32>, tensor<4096x256xf32>) -> tensor<4096x256xf32>
    nn.yield %3 : tensor<4096x256xf32>
  }
  return %1 : tensor<4096x256xf32>
}
