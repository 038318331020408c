// The whole phase on a loop around a network: calls inlined, constant work hoisted, one transpose in and one out.
// RUN: hb-opt %s -pass-pipeline="builtin.module(hb-inline-calls,func.func(hb-channels-last,hb-hoist-loop-invariant),hb-simplify)" | FileCheck %s

// CHECK-NOT: @net
// CHECK-LABEL: func.func @generate
// CHECK-DAG: %[[X:.*]] = nn.transpose %arg0 {permutation = array<i64: 0, 2, 3, 1>}
// CHECK-DAG: %[[F:.*]] = nn.unary silu %arg2
// CHECK: nn.repeat max 5 inits(%[[X]])
// CHECK-NOT: nn.transpose
// CHECK-NOT: nn.unary
// CHECK: nn.yield %{{.*}} : tensor<1x8x8x4xf32>
// CHECK: nn.transpose %{{.*}} {permutation = array<i64: 0, 3, 1, 2>}
// CHECK-NEXT: return
func.func private @net(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x1x1xf32>, %s: tensor<1x4x1x1xf32>) -> tensor<1x4x8x8xf32> {
  %f = nn.unary silu %s : tensor<1x4x1x1xf32>
  %y = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %z = nn.binary add %y, %f : (tensor<1x4x8x8xf32>, tensor<1x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  return %z : tensor<1x4x8x8xf32>
}
func.func @generate(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x1x1xf32>, %s: tensor<1x4x1x1xf32>) -> tensor<1x4x8x8xf32> {
  %r = nn.repeat max 5 inits(%x) : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<1x4x8x8xf32>):
    %y = func.call @net(%c, %w, %s) : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>, tensor<1x4x1x1xf32>) -> tensor<1x4x8x8xf32>
    nn.yield %y : tensor<1x4x8x8xf32>
  }
  return %r : tensor<1x4x8x8xf32>
}
