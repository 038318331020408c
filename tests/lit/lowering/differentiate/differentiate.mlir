// Reverse mode: what is visited, what is computed, what is not.
// RUN: hb-opt %s -hb-differentiate -cse -split-input-file -verify-diagnostics | FileCheck %s

// The example of the pass's description.
// CHECK-LABEL: func.func @example
func.func @example(%x: tensor<4xf32>, %dy: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: %[[DX:.*]] = nn.unary_vjp silu %arg0, %arg1
  // CHECK: return %{{.*}}, %[[DX]]
  %y = nn.unary silu %x : tensor<4xf32>
  %dx = grad.vjp of(%y) cotangents(%dy) wrt(%x) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y, %dx : tensor<4xf32>, tensor<4xf32>
}

// -----

// Nothing in front of what is differentiated for, no gradient of a frozen weight; the cotangent passes the residual unchanged.
// CHECK-LABEL: func.func @active
func.func @active(%x: tensor<2x4xf32>, %dy: tensor<2x4xf32>) -> tensor<4x4xf32> {
  // CHECK: %[[W:.*]] = nn.param "unet" "w"
  // CHECK: %[[H:.*]] = nn.unary exp %arg0
  // CHECK-NOT: nn.unary_vjp
  // CHECK-NOT: nn.linear_vjp
  // CHECK: %[[DV:.*]] = nn.matmul %arg1, %[[H]] {transpose_a}
  // CHECK: return %[[DV]]
  %w = nn.param "unet" "w" : tensor<4x4xf32>
  %v = nn.param "adapter:unet" "v" : tensor<4x4xf32>
  %h = nn.unary exp %x : tensor<2x4xf32>
  %a = nn.linear %h, %v : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %b = nn.linear %h, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %y = nn.binary add %a, %b : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %dv = grad.vjp of(%y) cotangents(%dy) wrt(%v) : (tensor<2x4xf32>, tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %dv : tensor<4x4xf32>
}

// -----

// Gradients of slices that tile an axis are put side by side, the gap is zero; a value nobody reads gets zeros.
// CHECK-LABEL: func.func @slices
func.func @slices(%x: tensor<2x6xf32>, %z: tensor<3xf32>, %d: tensor<2x2xf32>) -> (tensor<2x6xf32>, tensor<3xf32>) {
  // CHECK-DAG: %[[GAP:.*]] = nn.constant dense<0.000000e+00> : tensor<2x2xf32>
  // CHECK-DAG: %[[A:.*]] = nn.unary_vjp exp
  // CHECK: nn.concat {{.*}}, %[[GAP]], {{.*}} {axis = 1 : i64}
  // CHECK-NOT: nn.slice_vjp
  // CHECK: nn.constant dense<0.000000e+00> : tensor<3xf32>
  %a = nn.slice %x {offsets = array<i64: 0, 0>} : tensor<2x6xf32> -> tensor<2x2xf32>
  %b = nn.slice %x {offsets = array<i64: 0, 4>} : tensor<2x6xf32> -> tensor<2x2xf32>
  %e = nn.unary exp %a : tensor<2x2xf32>
  %y = nn.binary add %e, %b : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %g:2 = grad.vjp of(%y) cotangents(%d) wrt(%x, %z) : (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x6xf32>, tensor<3xf32>) -> (tensor<2x6xf32>, tensor<3xf32>)
  return %g#0, %g#1 : tensor<2x6xf32>, tensor<3xf32>
}

// -----

// A stop cuts the path; a checkpoint does not. Both disappear.
// CHECK-LABEL: func.func @marks
func.func @marks(%x: tensor<4xf32>, %d: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NOT: grad.
  // CHECK: %[[D:.*]] = nn.binary mul %arg1, %arg0
  // CHECK: return %[[D]]
  %s = grad.stop %x : tensor<4xf32>
  %c = grad.checkpoint %x : tensor<4xf32>
  %y = nn.binary mul %c, %s : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %g = grad.vjp of(%y) cotangents(%d) wrt(%x) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %g : tensor<4xf32>
}

// -----

// A loop has no rule.
func.func @loop(%x: tensor<4xf32>, %d: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{HB0830: expected an op with a gradient rule for operand 0; found one that is not differentiable; stop the gradient in front of it (stop_gradient), or do not ask for it}}
  %y = nn.repeat max 3 inits(%x) : (tensor<4xf32>) -> (tensor<4xf32>) {
  ^bb0(%i: tensor<i64>, %c: tensor<4xf32>):
    %e = nn.unary exp %c : tensor<4xf32>
    nn.yield %e : tensor<4xf32>
  }
  // expected-note@+1 {{the gradient is asked for here}}
  %g = grad.vjp of(%y) cotangents(%d) wrt(%x) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %g : tensor<4xf32>
}

// -----

// The weight of a convolution is frozen by definition.
func.func @frozen(%x: tensor<1x3x4x4xf32>, %w: tensor<2x3x1x1xf32>, %d: tensor<1x2x4x4xf32>) -> tensor<2x3x1x1xf32> {
  // expected-error@+1 {{HB0830: expected an op with a gradient rule for operand 1}}
  %y = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : (tensor<1x3x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<1x2x4x4xf32>
  // expected-note@+1 {{the gradient is asked for here}}
  %g = grad.vjp of(%y) cotangents(%d) wrt(%w) : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<2x3x1x1xf32>
  return %g : tensor<2x3x1x1xf32>
}

// -----

// Attention that is differentiated yields its statistics too; there is one forward op in the end, not two.
// CHECK-LABEL: func.func @attention
func.func @attention(%x: tensor<1x7x32xf32>, %dy: tensor<1x7x32xf32>) -> (tensor<1x7x32xf32>, tensor<1x7x32xf32>) {
  // CHECK: %[[Y:.*]], %[[STATS:.*]] = nn.attention {{.*}} -> (tensor<1x7x32xf32>, tensor<1x2x2x7xf32>)
  // CHECK-NOT: nn.attention %
  // CHECK: nn.attention_vjp {{.*}} y(%[[Y]]) stats(%[[STATS]]) dy(%arg1)
  // CHECK: return %[[Y]]
  %y = nn.attention %x, %x, %x {heads = 2 : i64, scale = 0.25 : f64} : (tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x7x32xf32>) -> tensor<1x7x32xf32>
  %dx = grad.vjp of(%y) cotangents(%dy) wrt(%x) : (tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x7x32xf32>) -> tensor<1x7x32xf32>
  return %y, %dx : tensor<1x7x32xf32>, tensor<1x7x32xf32>
}
