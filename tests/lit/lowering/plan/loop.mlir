// Loops: carried values have fixed places, values from outside live through the whole loop.
// RUN: hb-opt %s --hb-make-plan --hb-verify-plan | FileCheck %s

kernel.def @square(%x: tensor<16xf32>) -> tensor<16xf32> attributes {flops = 16 : i64, inplace = [[0, 0]]} {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    kernel.yield %b : f32
  }
  kernel.return %y : tensor<16xf32>
}
kernel.def @add(%x: tensor<16xf32>, %y: tensor<16xf32>) -> tensor<16xf32> attributes {inplace = [[0, 0], [1, 0]]} {
  %z = kernel.map (%x, %y : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    kernel.yield %c : f32
  }
  kernel.return %z : tensor<16xf32>
}

// %outer is read in every iteration: nothing in the body may take its place.
// CHECK-LABEL: plan.program @loop
// CHECK-SAME: flops = 176 : i64
// CHECK-SAME: launches = 21 : i64
// CHECK: plan.launch @square [#plan.input<0>, #plan.arena<[[OUTER:.*]], 64>]
// CHECK: plan.copy #plan.input<0> -> #plan.arena<[[CARRIED:.*]], 64> bytes 64
// CHECK: plan.repeat max 10 counter #plan.arena<{{.*}}, 8>
// CHECK: plan.launch @square [#plan.arena<[[CARRIED]], 64>, #plan.arena<[[T:.*]], 64>]
// CHECK: plan.launch @add [#plan.arena<[[T]], 64>, #plan.arena<[[OUTER]], 64>, #plan.arena<[[T]], 64>]
// CHECK: plan.copy #plan.arena<[[T]], 64> -> #plan.arena<[[CARRIED]], 64> bytes 64
// CHECK: plan.copy #plan.arena<[[CARRIED]], 64> -> #plan.output<0> bytes 64
func.func @loop(%x: tensor<16xf32>) -> tensor<16xf32> {
  %outer = kernel.launch @square(%x) : (tensor<16xf32>) -> tensor<16xf32>
  %y = nn.repeat max 10 inits(%x) : (tensor<16xf32>) -> tensor<16xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<16xf32>):
    %0 = kernel.launch @square(%c) : (tensor<16xf32>) -> tensor<16xf32>
    %1 = kernel.launch @add(%0, %outer) : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
    nn.yield %1 : tensor<16xf32>
  }
  return %y : tensor<16xf32>
}

// Swapped values are read before either place is written.
// CHECK-LABEL: plan.program @swap
// CHECK: plan.copy #plan.input<1> -> #plan.arena<[[A:.*]], 64> bytes 64
// CHECK: plan.copy #plan.input<2> -> #plan.arena<[[B:.*]], 64> bytes 64
// CHECK: plan.repeat count #plan.input<0> max 10
// CHECK: plan.copy #plan.arena<[[B]], 64> -> #plan.arena<[[S:.*]], 64> bytes 64
// CHECK: plan.copy #plan.arena<[[A]], 64> -> #plan.arena<[[T:.*]], 64> bytes 64
// CHECK: plan.copy #plan.arena<[[S]], 64> -> #plan.arena<[[A]], 64> bytes 64
// CHECK: plan.copy #plan.arena<[[T]], 64> -> #plan.arena<[[B]], 64> bytes 64
func.func @swap(%n: tensor<i64>, %x: tensor<16xf32>, %y: tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>) {
  %r:2 = nn.repeat count(%n) max 10 inits(%x, %y) : (tensor<i64>, tensor<16xf32>, tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>) {
  ^bb0(%i: tensor<i64>, %a: tensor<16xf32>, %b: tensor<16xf32>):
    nn.yield %b, %a : tensor<16xf32>, tensor<16xf32>
  }
  return %r#0, %r#1 : tensor<16xf32>, tensor<16xf32>
}

// A loop in a loop.
// CHECK-LABEL: plan.program @nested
// CHECK-SAME: launches = 12 : i64
// CHECK: plan.repeat max 3
// CHECK: plan.repeat max 4
// CHECK: plan.launch @square
func.func @nested(%x: tensor<16xf32>) -> tensor<16xf32> {
  %y = nn.repeat max 3 inits(%x) : (tensor<16xf32>) -> tensor<16xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<16xf32>):
    %z = nn.repeat max 4 inits(%c) : (tensor<16xf32>) -> tensor<16xf32> {
    ^bb0(%j: tensor<i64>, %d: tensor<16xf32>):
      %0 = kernel.launch @square(%d) : (tensor<16xf32>) -> tensor<16xf32>
      nn.yield %0 : tensor<16xf32>
    }
    nn.yield %z : tensor<16xf32>
  }
  return %y : tensor<16xf32>
}
