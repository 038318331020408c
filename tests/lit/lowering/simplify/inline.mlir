// Calls are replaced by bodies; functions that were only called go.
// RUN: hb-opt %s -hb-inline-calls -split-input-file -verify-diagnostics | FileCheck %s

// CHECK-NOT: @inner
func.func private @inner(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = nn.unary relu %x : tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func private @outer(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = call @inner(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
// CHECK-LABEL: func.func @entry
func.func @entry(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: %[[A:.*]] = nn.unary relu %arg0
  // CHECK-NEXT: %[[B:.*]] = nn.unary relu %[[A]]
  // CHECK-NEXT: return %[[B]]
  %y = call @outer(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %z = call @inner(%y) : (tensor<4xf32>) -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// expected-error@+1 {{expected a network without recursion; found a function that calls itself}}
func.func @endless(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = call @endless(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func private @elsewhere(tensor<4xf32>) -> tensor<4xf32>
func.func @caller(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{expected a call of a function with a body of one block; found @elsewhere}}
  %y = call @elsewhere(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
