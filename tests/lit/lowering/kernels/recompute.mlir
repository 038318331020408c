// What is computed again under a budget, on a chain of four maps whose gradient reads h, u and v, the last first. A value is 64 bytes; no map can be
// done in place. With the first gradient, keeping all three takes 256 bytes.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-select-recompute))' | FileCheck %s --check-prefix=FREE
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-select-recompute{budget=256}))' | FileCheck %s --check-prefix=FREE
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-select-recompute{budget=192}))' --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s --check-prefix=TIGHT
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-select-recompute{budget=64}))' | FileCheck %s --check-prefix=SHORT
// The budget is the module's, and weights count.
// RUN: sed 's/^module {/module attributes {nn.memory_budget = 192 : i64} {/' %s | hb-opt --pass-pipeline='builtin.module(func.func(hb-select-recompute))' --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s --check-prefix=TIGHT
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-select-recompute{budget=1216}))' | FileCheck %s --check-prefix=WEIGHT

// FREE-LABEL: func.func @chain(
// FREE-NOT: kernel.recomputed
// FREE-COUNT-7: kernel.map
// FREE-NOT: kernel.map
// FREE: return

// One value less at the peak: h is done again for the gradient, in front of the op that reads it and behind the other two.
// TIGHT-LABEL: func.func @chain(
// TIGHT-SAME: kernel.recomputed = [{bytes = 64 : i64, flops = 16 : i64, from = "map", launches = 1 : i64, source = "{{[^"]*}}", to = "map"}]
// TIGHT: %[[H:.*]] = kernel.map(%[[X:.*]] : tensor<16xf32>)
// TIGHT: %[[U:.*]] = kernel.map(%[[H]] :
// TIGHT: %[[V:.*]] = kernel.map(%[[U]] :
// TIGHT: kernel.map(%[[V]] :
// TIGHT: %[[GV:.*]] = kernel.map(%[[V]], %{{.*}} :
// TIGHT: %[[GU:.*]] = kernel.map(%[[U]], %[[GV]] :
// TIGHT: %[[AGAIN:.*]] = kernel.map(%[[X]] : tensor<16xf32>)
// TIGHT: loc(fused<"recompute">[
// TIGHT: kernel.map(%[[AGAIN]], %[[GU]] :
// TIGHT-NOT: kernel.map
// TIGHT: return

// Nothing fits: what needs least is done, and by how many bytes it falls short is said.
// SHORT-LABEL: func.func @chain(
// SHORT-SAME: kernel.over_budget = {{[1-9][0-9]*}} : i64

// 1024 bytes of the budget are the weight's.
// WEIGHT-LABEL: func.func @weight(
// WEIGHT-SAME: kernel.recomputed
module {
func.func @chain(%x: tensor<16xf32>, %dz: tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>) {
  %h = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.addf %a, %a : f32
    kernel.yield %b : f32
  }
  %u = kernel.map (%h : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    kernel.yield %b : f32
  }
  %v = kernel.map (%u : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.addf %a, %a : f32
    kernel.yield %b : f32
  }
  %z = kernel.map (%v : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    kernel.yield %b : f32
  }
  %gv = kernel.map (%v, %dz : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.mulf %a, %b : f32
    kernel.yield %c : f32
  } loc(fused<"backward">["gradient"])
  %gu = kernel.map (%u, %gv : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.mulf %a, %b : f32
    kernel.yield %c : f32
  } loc(fused<"backward">["gradient"])
  %gx = kernel.map (%h, %gu : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.mulf %a, %b : f32
    kernel.yield %c : f32
  } loc(fused<"backward">["gradient"])
  return %z, %gx : tensor<16xf32>, tensor<16xf32>
}

func.func @weight(%x: tensor<16xf32>, %dz: tensor<16xf32>, %r: tensor<1x16xf32>) -> (tensor<16xf32>, tensor<16xf32>, tensor<1x16xf32>) {
  %w = kernel.weight [#kernel.source<"unet", "to_q.weight", tensor<16x16xf32>>] : tensor<16x16xf32, #kernel.packed<panel16>>
  %y = kernel.contract linear a(%r : tensor<1x16xf32>) weight(%w : tensor<16x16xf32, #kernel.packed<panel16>>) {maps = []} -> tensor<1x16xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  %h = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.addf %a, %a : f32
    kernel.yield %b : f32
  }
  %u = kernel.map (%h : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    kernel.yield %b : f32
  }
  %v = kernel.map (%u : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.addf %a, %a : f32
    kernel.yield %b : f32
  }
  %z = kernel.map (%v : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    kernel.yield %b : f32
  }
  %gv = kernel.map (%v, %dz : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.mulf %a, %b : f32
    kernel.yield %c : f32
  } loc(fused<"backward">["gradient"])
  %gu = kernel.map (%u, %gv : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.mulf %a, %b : f32
    kernel.yield %c : f32
  } loc(fused<"backward">["gradient"])
  %gx = kernel.map (%h, %gu : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.mulf %a, %b : f32
    kernel.yield %c : f32
  } loc(fused<"backward">["gradient"])
  return %z, %gx, %y : tensor<16xf32>, tensor<16xf32>, tensor<1x16xf32>
}
}
