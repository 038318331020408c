// Pictures become channels-last; transposes remain only where they enter and leave.
// RUN: hb-opt %s -hb-channels-last -split-input-file | FileCheck %s

// The example of the pass's description.
// CHECK-LABEL: func.func @example
func.func @example(%x: tensor<1x4x8x8xf32>, %w: tensor<16x4x3x3xf32>) -> tensor<1x16x8x8xf32> {
  // CHECK: %[[T:.*]] = nn.transpose %arg0 {permutation = array<i64: 0, 2, 3, 1>}
  // CHECK: %[[C:.*]] = nn.conv2d %[[T]], %arg1 {layout = #nn.layout<nhwc>
  // CHECK: %[[S:.*]] = nn.unary silu %[[C]] : tensor<1x8x8x16xf32>
  // CHECK: %[[R:.*]] = nn.transpose %[[S]] {permutation = array<i64: 0, 3, 1, 2>}
  // CHECK: return %[[R]]
  %y = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x4x8x8xf32>, tensor<16x4x3x3xf32>) -> tensor<1x16x8x8xf32>
  %z = nn.unary silu %y : tensor<1x16x8x8xf32>
  return %z : tensor<1x16x8x8xf32>
}

// -----

// A residual block with a time shift, a skip concat and tokens: two transposes in, one out.
// CHECK-LABEL: func.func @block
func.func @block(%x: tensor<2x8x4x4xf32>, %skip: tensor<2x8x4x4xf32>, %t: tensor<2x8xf32>, %w: tensor<8x8x3x3xf32>, %n: tensor<8xf32>, %n2: tensor<16xf32>,
                 %p: tensor<16x16xf32>) -> tensor<2x16x4x4xf32> {
  // CHECK: nn.transpose %arg0 {permutation = array<i64: 0, 2, 3, 1>}
  // CHECK-NOT: nn.transpose
  // CHECK: nn.group_norm {{.*}}layout = #nn.layout<nhwc>
  // CHECK-NOT: nn.transpose
  // CHECK: nn.transpose %arg1 {permutation = array<i64: 0, 2, 3, 1>}
  // CHECK-NOT: nn.transpose
  // CHECK: nn.concat {{.*}} {axis = 3 : i64}
  // CHECK-NOT: nn.transpose
  // CHECK: nn.linear
  // CHECK-NOT: nn.transpose
  // CHECK: %[[R:.*]] = nn.transpose %{{.*}} {permutation = array<i64: 0, 3, 1, 2>} : tensor<2x4x4x16xf32> -> tensor<2x16x4x4xf32>
  // CHECK-NEXT: return %[[R]]
  %0 = nn.group_norm %x, %n, %n {groups = 2 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<2x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x8x4x4xf32>
  %1 = nn.conv2d %0, %w, %n {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<2x8x4x4xf32>, tensor<8x8x3x3xf32>, tensor<8xf32>) -> tensor<2x8x4x4xf32>
  %2 = nn.reshape %t : tensor<2x8xf32> -> tensor<2x8x1x1xf32>
  %3 = nn.binary add %1, %2 : (tensor<2x8x4x4xf32>, tensor<2x8x1x1xf32>) -> tensor<2x8x4x4xf32>
  %4 = nn.binary add %3, %x : (tensor<2x8x4x4xf32>, tensor<2x8x4x4xf32>) -> tensor<2x8x4x4xf32>
  %5 = nn.concat %4, %skip {axis = 1 : i64} : (tensor<2x8x4x4xf32>, tensor<2x8x4x4xf32>) -> tensor<2x16x4x4xf32>
  %6 = nn.group_norm %5, %n2, %n2 {groups = 2 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<2x16x4x4xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<2x16x4x4xf32>
  %7 = nn.transpose %6 {permutation = array<i64: 0, 2, 3, 1>} : tensor<2x16x4x4xf32> -> tensor<2x4x4x16xf32>
  %8 = nn.reshape %7 : tensor<2x4x4x16xf32> -> tensor<2x16x16xf32>
  %9 = nn.linear %8, %p : (tensor<2x16x16xf32>, tensor<16x16xf32>) -> tensor<2x16x16xf32>
  %10 = nn.reshape %9 : tensor<2x16x16xf32> -> tensor<2x4x4x16xf32>
  %11 = nn.transpose %10 {permutation = array<i64: 0, 3, 1, 2>} : tensor<2x4x4x16xf32> -> tensor<2x16x4x4xf32>
  %12 = nn.binary add %11, %5 : (tensor<2x16x4x4xf32>, tensor<2x16x4x4xf32>) -> tensor<2x16x4x4xf32>
  return %12 : tensor<2x16x4x4xf32>
}

// -----

// The VAE's attention flattens pixels first and transposes then.
// CHECK-LABEL: func.func @flatten
func.func @flatten(%x: tensor<1x8x4x6xf32>, %n: tensor<8xf32>) -> tensor<1x24x8xf32> {
  // CHECK: nn.transpose %arg0
  // CHECK: %[[N:.*]] = nn.group_norm
  // CHECK-NEXT: %[[R:.*]] = nn.reshape %[[N]] : tensor<1x4x6x8xf32> -> tensor<1x24x8xf32>
  // CHECK-NEXT: return %[[R]]
  %0 = nn.group_norm %x, %n, %n {groups = 2 : i64, eps = 1.0e-6 : f64, layout = #nn.layout<nchw>} : (tensor<1x8x4x6xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<1x8x4x6xf32>
  %1 = nn.reshape %0 : tensor<1x8x4x6xf32> -> tensor<1x8x24xf32>
  %2 = nn.transpose %1 {permutation = array<i64: 0, 2, 1>} : tensor<1x8x24xf32> -> tensor<1x24x8xf32>
  return %2 : tensor<1x24x8xf32>
}

// -----

// Preprocessing of a picture happens in the new layout: the transpose rises to the input.
// CHECK-LABEL: func.func @preprocess
func.func @preprocess(%x: tensor<1x3x8x8xf32>, %mean: tensor<3x1x1xf32>, %w: tensor<4x3x2x2xf32>) -> tensor<1x4x4x4xf32> {
  // CHECK-DAG: nn.transpose %arg0 {permutation = array<i64: 0, 2, 3, 1>}
  // CHECK-DAG: nn.reshape %arg1 : tensor<3x1x1xf32> -> tensor<1x1x1x3xf32>
  // CHECK-DAG: nn.clamp %{{.*}} : tensor<1x8x8x3xf32>
  // CHECK: nn.binary sub {{.*}} -> tensor<1x8x8x3xf32>
  // CHECK-NEXT: nn.conv2d
  %0 = nn.clamp %x [0.0, 1.0] : tensor<1x3x8x8xf32>
  %1 = nn.binary sub %0, %mean : (tensor<1x3x8x8xf32>, tensor<3x1x1xf32>) -> tensor<1x3x8x8xf32>
  %2 = nn.conv2d %1, %w {layout = #nn.layout<nchw>, strides = array<i64: 2, 2>, padding = array<i64: 0, 0, 0, 0>} : (tensor<1x3x8x8xf32>, tensor<4x3x2x2xf32>) -> tensor<1x4x4x4xf32>
  return %2 : tensor<1x4x4x4xf32>
}

// -----

// The denoising loop carries channels-last latents: nothing is transposed inside it.
// CHECK-LABEL: func.func @loop
func.func @loop(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x3x3xf32>) -> tensor<1x4x8x8xf32> {
  // CHECK: nn.transpose %arg0 {permutation = array<i64: 0, 2, 3, 1>}
  // CHECK: nn.repeat max 5
  // CHECK-NOT: nn.transpose
  // CHECK: nn.yield %{{.*}} : tensor<1x8x8x4xf32>
  // CHECK: nn.transpose %{{.*}} {permutation = array<i64: 0, 3, 1, 2>}
  // CHECK-NEXT: return
  %r = nn.repeat max 5 inits(%x) : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<1x4x8x8xf32>):
    %y = nn.conv2d %c, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x4x8x8xf32>, tensor<4x4x3x3xf32>) -> tensor<1x4x8x8xf32>
    %z = nn.binary sub %c, %y : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
    nn.yield %z : tensor<1x4x8x8xf32>
  }
  return %r : tensor<1x4x8x8xf32>
}

// -----

// One channel: a transpose would move nothing.
// CHECK-LABEL: func.func @gray
func.func @gray(%x: tensor<1x1x8x8xf32>, %w: tensor<1x1x3x3xf32>) -> tensor<1x1x8x8xf32> {
  // CHECK-NOT: nn.transpose
  // CHECK: nn.reshape %arg0 : tensor<1x1x8x8xf32> -> tensor<1x8x8x1xf32>
  %y = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x1x8x8xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x8x8xf32>
  return %y : tensor<1x1x8x8xf32>
}
