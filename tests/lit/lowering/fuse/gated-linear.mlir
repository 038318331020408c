// A linear whose second half gates its first.
// RUN: hb-opt %s -hb-fuse-gated-linear | FileCheck %s

// The example of the pass's description.
// CHECK-LABEL: func.func @geglu
func.func @geglu(%x: tensor<2x64x320xf32>, %w: tensor<2560x320xf16>, %b: tensor<2560xf16>) -> tensor<2x64x1280xf32> {
  // CHECK-NEXT: %[[Z:.*]] = nn.gated_linear gelu %arg0, %arg1 bias(%arg2)
  // CHECK-NEXT: return %[[Z]]
  %y = nn.linear %x, %w, %b : (tensor<2x64x320xf32>, tensor<2560x320xf16>, tensor<2560xf16>) -> tensor<2x64x2560xf32>
  %u = nn.slice %y {offsets = array<i64: 0, 0, 0>} : tensor<2x64x2560xf32> -> tensor<2x64x1280xf32>
  %g = nn.slice %y {offsets = array<i64: 0, 0, 1280>} : tensor<2x64x2560xf32> -> tensor<2x64x1280xf32>
  %f = nn.unary gelu %g : tensor<2x64x1280xf32>
  %z = nn.binary mul %u, %f : (tensor<2x64x1280xf32>, tensor<2x64x1280xf32>) -> tensor<2x64x1280xf32>
  return %z : tensor<2x64x1280xf32>
}

// The factors come along; the operands of the product may be swapped.
// CHECK-LABEL: func.func @lora
func.func @lora(%x: tensor<2x8xf32>, %w: tensor<8x8xf16>, %a: tensor<2x8xf32>, %b: tensor<8x2xf32>, %s: tensor<2xf32>) -> tensor<2x4xf32> {
  // CHECK-NEXT: %[[Z:.*]] = nn.gated_linear silu %arg0, %arg1 lora(%arg2, %arg3, %arg4)
  // CHECK-NEXT: return %[[Z]]
  %y = nn.lora_linear %x, %w, lora(%a, %b, %s) : (tensor<2x8xf32>, tensor<8x8xf16>, tensor<2x8xf32>, tensor<8x2xf32>, tensor<2xf32>) -> tensor<2x8xf32>
  %u = nn.slice %y {offsets = array<i64: 0, 0>} : tensor<2x8xf32> -> tensor<2x4xf32>
  %g = nn.slice %y {offsets = array<i64: 0, 4>} : tensor<2x8xf32> -> tensor<2x4xf32>
  %f = nn.unary silu %g : tensor<2x4xf32>
  %z = nn.binary mul %f, %u : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %z : tensor<2x4xf32>
}

// The first half is the gate: another op.
// CHECK-LABEL: func.func @other_half
func.func @other_half(%x: tensor<2x8xf32>, %w: tensor<8x8xf16>) -> tensor<2x4xf32> {
  // CHECK-NOT: nn.gated_linear
  // CHECK: return
  %y = nn.linear %x, %w : (tensor<2x8xf32>, tensor<8x8xf16>) -> tensor<2x8xf32>
  %u = nn.slice %y {offsets = array<i64: 0, 4>} : tensor<2x8xf32> -> tensor<2x4xf32>
  %g = nn.slice %y {offsets = array<i64: 0, 0>} : tensor<2x8xf32> -> tensor<2x4xf32>
  %f = nn.unary silu %g : tensor<2x4xf32>
  %z = nn.binary mul %u, %f : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %z : tensor<2x4xf32>
}
