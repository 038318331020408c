// Canonical forms.
// RUN: hb-opt %s -hb-simplify -split-input-file | FileCheck %s
// RUN: hb-opt %s -hb-simplify=fold-limit=3 -split-input-file | FileCheck %s --check-prefix=LIMIT

// The example of the pass's description.
// CHECK-LABEL: func.func @transposes
func.func @transposes(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: %[[C:.*]] = nn.unary silu %arg0
  // CHECK-NEXT: return %[[C]]
  %a = nn.transpose %x {permutation = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>
  %b = nn.transpose %a {permutation = array<i64: 1, 0>} : tensor<8x4xf32> -> tensor<4x8xf32>
  %c = nn.unary silu %b : tensor<4x8xf32>
  return %c : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: func.func @reshapes
func.func @reshapes(%x: tensor<2x3x4xf32>, %y: tensor<2x1x4xf32>) -> (tensor<24xf32>, tensor<2x3x4xf32>, tensor<2x4x1xf32>) {
  // CHECK-DAG: %[[A:.*]] = nn.reshape %arg0 : tensor<2x3x4xf32> -> tensor<24xf32>
  // CHECK-DAG: %[[T:.*]] = nn.reshape %arg1 : tensor<2x1x4xf32> -> tensor<2x4x1xf32>
  // CHECK: return %[[A]], %arg0, %[[T]]
  %0 = nn.reshape %x : tensor<2x3x4xf32> -> tensor<6x4xf32>
  %1 = nn.reshape %0 : tensor<6x4xf32> -> tensor<24xf32>
  %2 = nn.reshape %1 : tensor<24xf32> -> tensor<2x3x4xf32>
  %3 = nn.transpose %y {permutation = array<i64: 0, 2, 1>} : tensor<2x1x4xf32> -> tensor<2x4x1xf32>
  return %1, %2, %3 : tensor<24xf32>, tensor<2x3x4xf32>, tensor<2x4x1xf32>
}

// -----

// A widening cast is forgotten; a narrowing one is not.
// CHECK-LABEL: func.func @casts
func.func @casts(%x: tensor<4xf16>, %y: tensor<4xf32>) -> (tensor<4xf16>, tensor<4xf32>) {
  // CHECK: nn.cast %arg1 : tensor<4xf32> to tensor<4xf16>
  // CHECK: %[[B:.*]] = nn.cast
  // CHECK: return %arg0, %[[B]]
  %0 = nn.cast %x : tensor<4xf16> to tensor<4xf32>
  %1 = nn.cast %0 : tensor<4xf32> to tensor<4xf16>
  %2 = nn.cast %y : tensor<4xf32> to tensor<4xf16>
  %3 = nn.cast %2 : tensor<4xf16> to tensor<4xf32>
  return %1, %3 : tensor<4xf16>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @slices
func.func @slices(%a: tensor<2x4xf32>, %b: tensor<2x6xf32>) -> (tensor<2x4xf32>, tensor<2x2xf32>, tensor<2x6xf32>, tensor<2x4xf32>) {
  // CHECK-DAG: %[[S:.*]] = nn.slice %arg1 {offsets = array<i64: 0, 1>} : tensor<2x6xf32> -> tensor<2x2xf32>
  // CHECK-DAG: %[[X:.*]] = nn.slice %{{.*}} {offsets = array<i64: 0, 2>} : tensor<2x10xf32> -> tensor<2x4xf32>
  // CHECK: return %arg0, %[[S]], %arg1, %[[X]]
  %c = nn.concat %a, %b {axis = 1 : i64} : (tensor<2x4xf32>, tensor<2x6xf32>) -> tensor<2x10xf32>
  %0 = nn.slice %c {offsets = array<i64: 0, 0>} : tensor<2x10xf32> -> tensor<2x4xf32>
  %1 = nn.slice %c {offsets = array<i64: 0, 4>} : tensor<2x10xf32> -> tensor<2x5xf32>
  %2 = nn.slice %1 {offsets = array<i64: 0, 1>} : tensor<2x5xf32> -> tensor<2x2xf32>
  %3 = nn.slice %b {offsets = array<i64: 0, 0>} : tensor<2x6xf32> -> tensor<2x2xf32>
  %4 = nn.slice %b {offsets = array<i64: 0, 2>} : tensor<2x6xf32> -> tensor<2x4xf32>
  %5 = nn.concat %3, %4 {axis = 1 : i64} : (tensor<2x2xf32>, tensor<2x4xf32>) -> tensor<2x6xf32>
  %6 = nn.slice %c {offsets = array<i64: 0, 2>} : tensor<2x10xf32> -> tensor<2x4xf32>
  return %0, %2, %5, %6 : tensor<2x4xf32>, tensor<2x2xf32>, tensor<2x6xf32>, tensor<2x4xf32>
}

// -----

// CHECK-LABEL: func.func @arithmetic
func.func @arithmetic(%x: tensor<2x4xf32>, %s: tensor<1x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  // CHECK: %[[A:.*]] = nn.binary add %arg0, %arg1 : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  // CHECK-NEXT: return %arg0, %[[A]]
  %zero = nn.constant dense<0.0> : tensor<f32>
  %one = nn.constant dense<1.0> : tensor<2x4xf32>
  %0 = nn.binary add %x, %zero : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.binary mul %one, %0 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.binary div %1, %one : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.binary sub %2, %zero : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %4 = nn.broadcast %s : tensor<1x4xf32> -> tensor<2x4xf32>
  %5 = nn.binary add %x, %4 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %3, %5 : tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// x + 0 stays when it widens the shape.
// CHECK-LABEL: func.func @keeps_shape
func.func @keeps_shape(%x: tensor<1x4xf32>) -> tensor<2x4xf32> {
  // CHECK: nn.binary add
  %zero = nn.constant dense<0.0> : tensor<2x4xf32>
  %0 = nn.binary add %x, %zero : (tensor<1x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// -----

// Every folded op is rounded to its type: 1/3 in f32, then exp of that.
// CHECK-LABEL: func.func @constants
func.func @constants() -> (tensor<2xf32>, tensor<2xi64>) {
  // CHECK-DAG: nn.constant dense<[1.39561248, 2.71828175]> : tensor<2xf32>
  // CHECK-DAG: nn.constant dense<[1, 0]> : tensor<2xi64>
  %a = nn.constant dense<[1.0, 3.0]> : tensor<2xf32>
  %b = nn.constant dense<3.0> : tensor<f32>
  %0 = nn.binary div %a, %b : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %1 = nn.unary exp %0 : tensor<2xf32>
  %i = nn.constant dense<[7, 8]> : tensor<2xi64>
  %j = nn.constant dense<7> : tensor<i64>
  %2 = nn.binary eq %i, %j : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  return %1, %2 : tensor<2xf32>, tensor<2xi64>
}

// -----

// An index outside its table is left for the runtime to report.
// CHECK-LABEL: func.func @outside
func.func @outside() -> tensor<2xf32> {
  // CHECK: nn.gather
  %t = nn.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %i = nn.constant dense<[0, 3]> : tensor<2xi64>
  %0 = nn.gather %t, %i {batch_dims = 0 : i64} : (tensor<3xf32>, tensor<2xi64>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

// Equal ops merge, parameters too; dead ones go, uncalled private functions too.
// CHECK-NOT: @unused
func.func private @unused(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
// CHECK-LABEL: func.func @merging
func.func @merging(%x: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  // CHECK-COUNT-1: nn.param
  // CHECK-COUNT-1: nn.linear
  // CHECK-NOT: nn.softmax
  // CHECK: return %[[Y:.*]], %[[Y]] :
  %w0 = nn.param "a" "w" : tensor<4x4xf16>
  %w1 = nn.param "a" "w" : tensor<4x4xf16>
  %0 = nn.linear %x, %w0 : (tensor<2x4xf32>, tensor<4x4xf16>) -> tensor<2x4xf32>
  %1 = nn.linear %x, %w1 : (tensor<2x4xf32>, tensor<4x4xf16>) -> tensor<2x4xf32>
  %2 = nn.softmax %1 : tensor<2x4xf32>
  return %0, %1 : tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// A loop stops carrying what never changes and what nobody reads.
// CHECK-LABEL: func.func @loop
func.func @loop(%x: tensor<4xf32>, %k: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: %[[R:.*]] = nn.repeat max 3 inits(%arg0) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: ^bb0(%{{.*}}: tensor<i64>, %[[C:.*]]: tensor<4xf32>):
  // CHECK: nn.binary add %[[C]], %arg1
  // CHECK: return %[[R]], %arg1
  %0:3 = nn.repeat max 3 inits(%x, %k, %x) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  ^bb0(%i: tensor<i64>, %c: tensor<4xf32>, %same: tensor<4xf32>, %dead: tensor<4xf32>):
    %1 = nn.binary add %c, %same : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %2 = nn.unary exp %c : tensor<4xf32>
    nn.yield %1, %same, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
  }
  return %0#0, %0#1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @units
func.func @units(%x: tensor<2x1x4xf32>) -> (tensor<2x4xf32>, tensor<1x2x1x4xf32>) {
  // CHECK-DAG: %[[A:.*]] = nn.reshape %arg0 : tensor<2x1x4xf32> -> tensor<2x4xf32>
  // CHECK-DAG: %[[B:.*]] = nn.reshape %arg0 : tensor<2x1x4xf32> -> tensor<1x2x1x4xf32>
  // CHECK: return %[[A]], %[[B]]
  %0 = nn.reduce mean %x {axes = array<i64: 1>} : tensor<2x1x4xf32> -> tensor<2x4xf32>
  %1 = nn.broadcast %x : tensor<2x1x4xf32> -> tensor<1x2x1x4xf32>
  return %0, %1 : tensor<2x4xf32>, tensor<1x2x1x4xf32>
}

// -----

// A result above the limit is not folded (LIMIT runs with a limit of 3 elements).
// CHECK-LABEL: func.func @limit
// LIMIT-LABEL: func.func @limit
func.func @limit() -> tensor<4xf32> {
  // CHECK-NOT: nn.unary
  // LIMIT: nn.unary exp
  %a = nn.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %0 = nn.unary exp %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
