// Work that does not depend on the iteration leaves the loop.
// RUN: hb-opt %s -hb-hoist-loop-invariant | FileCheck %s

// CHECK-LABEL: func.func @keys
func.func @keys(%x: tensor<2x8xf32>, %context: tensor<2x8xf32>) -> tensor<2x8xf32> {
  // CHECK: nn.param "unet" "to_k.weight"
  // CHECK: %[[K:.*]] = nn.linear %arg1
  // CHECK: nn.repeat
  // CHECK-NOT: nn.linear
  // CHECK: nn.binary add %{{.*}}, %[[K]]
  // CHECK: nn.yield
  %r = nn.repeat max 4 inits(%x) : (tensor<2x8xf32>) -> tensor<2x8xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<2x8xf32>):
    %w = nn.param "unet" "to_k.weight" : tensor<8x8xf16>
    %k = nn.linear %context, %w : (tensor<2x8xf32>, tensor<8x8xf16>) -> tensor<2x8xf32>
    %s = nn.binary add %c, %k : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
    nn.yield %s : tensor<2x8xf32>
  }
  return %r : tensor<2x8xf32>
}

// Out of both loops.
// CHECK-LABEL: func.func @nested
func.func @nested(%x: tensor<8xf32>, %y: tensor<8xf32>) -> tensor<8xf32> {
  // CHECK: nn.unary exp %arg1
  // CHECK: nn.repeat
  // CHECK: nn.repeat
  // CHECK-NOT: nn.unary
  // CHECK: return
  %r = nn.repeat max 4 inits(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<8xf32>):
    %q = nn.repeat max 4 inits(%c) : (tensor<8xf32>) -> tensor<8xf32> {
    ^bb0(%j: tensor<i64>, %d: tensor<8xf32>):
      %e = nn.unary exp %y : tensor<8xf32>
      %s = nn.binary add %d, %e : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
      nn.yield %s : tensor<8xf32>
    }
    nn.yield %q : tensor<8xf32>
  }
  return %r : tensor<8xf32>
}
