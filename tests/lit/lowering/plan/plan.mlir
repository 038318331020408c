// Places of values: views share, results go to outputs, dead operands are taken over, offsets are reused.
// RUN: hb-opt %s --hb-make-plan --hb-verify-plan | FileCheck %s

// CHECK: module attributes {plan.constants = dense<"0x0000803F{{.*}}"> : tensor<128xi8>
// CHECK-SAME: plan.weights = [{layout = "panel16", sources = [#kernel.source<"", "w", tensor<16x16xf16>>], type = tensor<16x16xf16>}]

kernel.def @square(%x: tensor<16xf32>) -> tensor<16xf32> attributes {flops = 16 : i64, inplace = [[0, 0]]} {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    kernel.yield %b : f32
  }
  kernel.return %y : tensor<16xf32>
}
kernel.def @reverse(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %y = kernel.map (%x : tensor<4x4xf32>) [affine_map<(d0, d1) -> (d1, d0)>] -> tensor<4x4xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  kernel.return %y : tensor<4x4xf32>
}
kernel.def @add(%x: tensor<16xf32>, %y: tensor<16xf32>) -> tensor<16xf32> attributes {inplace = [[0, 0], [1, 0]]} {
  %z = kernel.map (%x, %y : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    kernel.yield %c : f32
  }
  kernel.return %z : tensor<16xf32>
}
kernel.def @contract(%x: tensor<1x16xf32>, %w: tensor<16x16xf16, #kernel.packed<panel16>>) -> tensor<1x16xf32> {
  %y = kernel.contract linear a(%x : tensor<1x16xf32>) weight(%w : tensor<16x16xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x16xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  kernel.return %y : tensor<1x16xf32>
}

// The square takes its operand's place, the transposition cannot; the last result is the output.
// CHECK-LABEL: plan.program @chain inputs [{name = "x", range = array<i64: 0, 5>, type = tensor<16xf32>}] outputs [{name = "y", type = tensor<4x4xf32>}]
// CHECK-SAME: arena 192 lower_bound 192
// CHECK-SAME: flops = 32 : i64
// CHECK-SAME: launches = 4 : i64
// CHECK: plan.launch @square [#plan.input<0>, #plan.arena<[[A:.*]], 64>]
// CHECK: plan.launch @square [#plan.arena<[[A]], 64>, #plan.arena<[[A]], 64>]
// CHECK: plan.launch @reverse [#plan.arena<[[A]], 64>, #plan.arena<[[B:.*]], 64>]
// CHECK: plan.launch @reverse [#plan.arena<[[B]], 64>, #plan.output<0>]
func.func @chain(%x: tensor<16xf32> {nn.name = "x", kernel.range = array<i64: 0, 5>}) -> (tensor<4x4xf32> {nn.name = "y"}) {
  %0 = kernel.launch @square(%x) : (tensor<16xf32>) -> tensor<16xf32>
  %1 = kernel.launch @square(%0) : (tensor<16xf32>) -> tensor<16xf32>
  %2 = kernel.view %1 : tensor<16xf32> -> tensor<4x4xf32>
  %3 = kernel.launch @reverse(%2) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = kernel.launch @reverse(%3) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %4 : tensor<4x4xf32>
}

// A value that is read again later keeps its place; an input is never overwritten; one value returned twice is copied once.
// CHECK-LABEL: plan.program @keeps
// CHECK: plan.launch @contract [#plan.input<0>, #plan.weight<0>, #plan.arena<[[A:.*]], 64>]
// CHECK: plan.launch @square [#plan.arena<[[A]], 64>, #plan.arena<[[B:.*]], 64>]
// CHECK: plan.launch @add [#plan.arena<[[A]], 64>, #plan.arena<[[B]], 64>, #plan.output<0>]
// CHECK: plan.copy #plan.output<0> -> #plan.output<1> bytes 64
// CHECK: plan.copy #plan.constant<0, 4> -> #plan.output<2> bytes 4
func.func @keeps(%x: tensor<1x16xf32>) -> (tensor<16xf32>, tensor<16xf32>, tensor<1xf32>) {
  %w = kernel.weight [#kernel.source<"", "w", tensor<16x16xf16>>] : tensor<16x16xf16, #kernel.packed<panel16>>
  %c = kernel.constant dense<1.0> : tensor<1xf32>
  %0 = kernel.launch @contract(%x, %w) : (tensor<1x16xf32>, tensor<16x16xf16, #kernel.packed<panel16>>) -> tensor<1x16xf32>
  %1 = kernel.view %0 : tensor<1x16xf32> -> tensor<16xf32>
  %2 = kernel.launch @square(%1) : (tensor<16xf32>) -> tensor<16xf32>
  %3 = kernel.launch @add(%1, %2) : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %3, %3, %c : tensor<16xf32>, tensor<16xf32>, tensor<1xf32>
}

// An operand that stands twice must not be overwritten while its other copy is still read.
// CHECK-LABEL: plan.program @twice
// CHECK: plan.launch @square [#plan.input<0>, #plan.arena<[[A:.*]], 64>]
// CHECK: plan.launch @add [#plan.arena<[[A]], 64>, #plan.arena<[[A]], 64>, #plan.arena<[[B:.*]], 64>]
// CHECK: plan.launch @reverse [#plan.arena<[[B]], 64>, #plan.output<0>]
func.func @twice(%x: tensor<16xf32>) -> tensor<4x4xf32> {
  %0 = kernel.launch @square(%x) : (tensor<16xf32>) -> tensor<16xf32>
  %1 = kernel.launch @add(%0, %0) : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  %2 = kernel.view %1 : tensor<16xf32> -> tensor<4x4xf32>
  %3 = kernel.launch @reverse(%2) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %3 : tensor<4x4xf32>
}
