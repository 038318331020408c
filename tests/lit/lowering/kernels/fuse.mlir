// Element-wise work moves into the kernels around it.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues))' | FileCheck %s

// CHECK-DAG: #[[ID3:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[LAST3:.*]] = affine_map<(d0, d1, d2) -> (d2)>
// CHECK-DAG: #[[LAST4:.*]] = affine_map<(d0, d1, d2, d3) -> (d3)>
// CHECK-DAG: #[[SHIFT:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, 0, 0, d3)>
// CHECK-DAG: #[[UP:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, (d1 - 1) floordiv 2, (d2 - 1) floordiv 2, d3)>
// CHECK-DAG: #[[SECOND:.*]] = affine_map<(d0, d1) -> (1, d1)>

// Bias, activation; bias, residual: one kernel each.
// CHECK-LABEL: func.func @mlp
// CHECK: kernel.contract linear {{.*}} extras(%{{.*}} : tensor<128xf32>) {maps = [#[[LAST3]]]}
// CHECK: math.exp
// CHECK: kernel.contract linear {{.*}} extras(%{{.*}}, %[[X:.*]] : tensor<32xf32>, tensor<1x7x32xf32>) {maps = [#[[LAST3]], #[[ID3]]]}
// CHECK-NOT: kernel.map
// CHECK: return
func.func @mlp(%x: tensor<1x7x32xf32>) -> tensor<1x7x32xf32> {
  %w1 = nn.param "" "fc1.weight" : tensor<128x32xf16>
  %b1 = nn.param "" "fc1.bias" : tensor<128xf16>
  %w2 = nn.param "" "fc2.weight" : tensor<32x128xf16>
  %b2 = nn.param "" "fc2.bias" : tensor<32xf16>
  %0 = nn.linear %x, %w1, %b1 : (tensor<1x7x32xf32>, tensor<128x32xf16>, tensor<128xf16>) -> tensor<1x7x128xf32>
  %1 = nn.unary quick_gelu %0 : tensor<1x7x128xf32>
  %2 = nn.linear %1, %w2, %b2 : (tensor<1x7x128xf32>, tensor<32x128xf16>, tensor<32xf16>) -> tensor<1x7x32xf32>
  %3 = nn.binary add %x, %2 : (tensor<1x7x32xf32>, tensor<1x7x32xf32>) -> tensor<1x7x32xf32>
  return %3 : tensor<1x7x32xf32>
}

// Norm, activation and padding are one kernel; the time shift is an extra of the convolution.
// CHECK-LABEL: func.func @resnet
// CHECK: kernel.group_stats
// CHECK: kernel.normalize group {{.*}} pad = array<i64: 1, 1, 1, 1>} : tensor<2x8x8x32xf32> -> tensor<2x10x10x32xf32>
// CHECK: arith.divf
// CHECK: kernel.contract conv2d {{.*}} {maps = [#[[LAST4]], #[[SHIFT]]]} -> tensor<2x8x8x32xf32>
// CHECK-NOT: kernel.map
// CHECK: return
func.func @resnet(%x: tensor<2x8x8x32xf32>, %t: tensor<2x32xf32>) -> tensor<2x8x8x32xf32> {
  %g = nn.param "" "norm.weight" : tensor<32xf16>
  %w = nn.param "" "conv.weight" : tensor<32x32x3x3xf16>
  %b = nn.param "" "conv.bias" : tensor<32xf16>
  %0 = nn.group_norm %x, %g, %g {groups = 8 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nhwc>} : (tensor<2x8x8x32xf32>, tensor<32xf16>, tensor<32xf16>) -> tensor<2x8x8x32xf32>
  %1 = nn.unary silu %0 : tensor<2x8x8x32xf32>
  %2 = nn.conv2d %1, %w, %b {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<2x8x8x32xf32>, tensor<32x32x3x3xf16>, tensor<32xf16>) -> tensor<2x8x8x32xf32>
  %s = nn.reshape %t : tensor<2x32xf32> -> tensor<2x1x1x32xf32>
  %3 = nn.binary add %2, %s : (tensor<2x8x8x32xf32>, tensor<2x1x1x32xf32>) -> tensor<2x8x8x32xf32>
  return %3 : tensor<2x8x8x32xf32>
}

// A residual behind a reshape: the contraction reads it under its own shape.
// CHECK-LABEL: func.func @reshaped
// CHECK-SAME: (%[[X:.*]]: tensor<2x64x32xf32>, %[[R:.*]]: tensor<2x8x8x32xf32>)
// CHECK: %[[V:.*]] = kernel.view %[[R]] : tensor<2x8x8x32xf32> -> tensor<2x64x32xf32>
// CHECK: %[[C:.*]] = kernel.contract linear {{.*}} extras(%[[V]] : tensor<2x64x32xf32>) {maps = [#[[ID3]]]}
// CHECK: kernel.view %[[C]] : tensor<2x64x32xf32> -> tensor<2x8x8x32xf32>
// CHECK-NOT: kernel.map
// CHECK: return
func.func @reshaped(%x: tensor<2x64x32xf32>, %r: tensor<2x8x8x32xf32>) -> tensor<2x8x8x32xf32> {
  %w = nn.param "" "w" : tensor<32x32xf16>
  %0 = nn.linear %x, %w : (tensor<2x64x32xf32>, tensor<32x32xf16>) -> tensor<2x64x32xf32>
  %1 = nn.reshape %0 : tensor<2x64x32xf32> -> tensor<2x8x8x32xf32>
  %2 = nn.binary add %1, %r : (tensor<2x8x8x32xf32>, tensor<2x8x8x32xf32>) -> tensor<2x8x8x32xf32>
  return %2 : tensor<2x8x8x32xf32>
}

// Resize and padding compose, because an index outside the large picture is outside the small one.
// CHECK-LABEL: func.func @upsample
// CHECK: kernel.map({{.*}} : tensor<1x4x4x16xf32>) [#[[UP]]] {zero_outside = array<i1: true>} -> tensor<1x10x10x16xf32>
// CHECK-NEXT: ^bb0
// CHECK-NEXT: kernel.yield
// CHECK: kernel.contract
func.func @upsample(%x: tensor<1x4x4x16xf32>) -> tensor<1x8x8x16xf32> {
  %w = nn.param "" "w" : tensor<16x16x3x3xf16>
  %0 = nn.resize_nearest %x {layout = #nn.layout<nhwc>} : tensor<1x4x4x16xf32> -> tensor<1x8x8x16xf32>
  %1 = nn.conv2d %0, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x16xf32>, tensor<16x16x3x3xf16>) -> tensor<1x8x8x16xf32>
  return %1 : tensor<1x8x8x16xf32>
}

// exp(0) is 1, so the padding must stay behind it.
// CHECK-LABEL: func.func @not_zero_at_zero
// CHECK: math.exp
// CHECK: kernel.map({{.*}}) {{.*}} {zero_outside = array<i1: true>}
func.func @not_zero_at_zero(%x: tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32> {
  %w = nn.param "" "w" : tensor<16x16x3x3xf16>
  %0 = nn.unary exp %x : tensor<1x8x8x16xf32>
  %1 = nn.conv2d %0, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x16xf32>, tensor<16x16x3x3xf16>) -> tensor<1x8x8x16xf32>
  return %1 : tensor<1x8x8x16xf32>
}

// Guidance: both halves are read where they lie; the splat is a constant of the body.
// CHECK-LABEL: func.func @guidance
// CHECK: kernel.map(%[[X:.*]], %[[X]] : tensor<2x8xf32>, tensor<2x8xf32>) [#{{.*}}, #[[SECOND]]] -> tensor<1x8xf32>
// CHECK: arith.constant 7.500000e+00
// CHECK-NOT: kernel.map
// CHECK: return
func.func @guidance(%x: tensor<2x8xf32>) -> tensor<1x8xf32> {
  %g = nn.constant dense<7.5> : tensor<f32>
  %u = nn.slice %x {offsets = array<i64: 0, 0>} : tensor<2x8xf32> -> tensor<1x8xf32>
  %c = nn.slice %x {offsets = array<i64: 1, 0>} : tensor<2x8xf32> -> tensor<1x8xf32>
  %d = nn.binary sub %c, %u : (tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<1x8xf32>
  %s = nn.binary mul %d, %g : (tensor<1x8xf32>, tensor<f32>) -> tensor<1x8xf32>
  %r = nn.binary add %u, %s : (tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<1x8xf32>
  return %r : tensor<1x8xf32>
}

// A value that others read too is not moved into an epilogue.
// CHECK-LABEL: func.func @shared
// CHECK: kernel.contract
// CHECK: kernel.map
// CHECK: return
func.func @shared(%x: tensor<2x32xf32>) -> (tensor<2x32xf32>, tensor<2x32xf32>) {
  %w = nn.param "" "w" : tensor<32x32xf16>
  %0 = nn.linear %x, %w : (tensor<2x32xf32>, tensor<32x32xf16>) -> tensor<2x32xf32>
  %1 = nn.unary silu %0 : tensor<2x32xf32>
  return %0, %1 : tensor<2x32xf32>, tensor<2x32xf32>
}

// A padding does not read through a map whose index mixes two dimensions: where it is left cannot be told from one of them.
// CHECK-LABEL: func.func @padding_of_a_regrouped_picture
func.func @padding_of_a_regrouped_picture(%x: tensor<1x16x2x1xf32>, %y: tensor<1x4x4x2xf32>) -> tensor<1x6x6x2xf32> {
  // CHECK: kernel.map(
  // CHECK: math.exp
  // CHECK: kernel.map(
  // CHECK-SAME: zero_outside
  %e = kernel.map (%x : tensor<1x16x2x1xf32>) [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>] -> tensor<1x16x2x1xf32> {
  ^bb0(%a: f32):
    %b = math.exp %a : f32
    kernel.yield %b : f32
  }
  %v = kernel.view %e : tensor<1x16x2x1xf32> -> tensor<1x4x4x2xf32>
  %s = kernel.map (%y, %v : tensor<1x4x4x2xf32>, tensor<1x4x4x2xf32>) [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>] -> tensor<1x4x4x2xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    kernel.yield %c : f32
  }
  %p = kernel.map (%s : tensor<1x4x4x2xf32>) [affine_map<(d0, d1, d2, d3) -> (d0, d1 - 1, d2 - 1, d3)>] {zero_outside = array<i1: true>} -> tensor<1x6x6x2xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  return %p : tensor<1x6x6x2xf32>
}
