// Every op parses, verifies and prints: the examples of PlanOps.td.
// RUN: hb-opt %s | hb-opt | FileCheck %s

// CHECK-LABEL: plan.program @double inputs [{name = "x", type = tensor<8xf32>}] outputs [{name = "y", type = tensor<8xf32>}] arena 0 lower_bound 0
plan.program @double inputs [ {name = "x", type = tensor<8xf32>} ] outputs [ {name = "y", type = tensor<8xf32>} ] arena 0 lower_bound 0 {
  // CHECK: plan.launch @map_0 [#plan.input<0>, #plan.output<0>]
  plan.launch @map_0 [#plan.input<0>, #plan.output<0>]
}

// CHECK-LABEL: plan.program @loop
plan.program @loop inputs [ {name = "x", type = tensor<16xf32>}, {name = "n", type = tensor<i64>} ] outputs [ {name = "y", type = tensor<16xf32>} ] arena 256 lower_bound 192 {
  // CHECK: plan.copy #plan.input<0> -> #plan.arena<64, 64> bytes 64
  plan.copy #plan.input<0> -> #plan.arena<64, 64> bytes 64
  // CHECK: plan.repeat count #plan.input<1> max 1000 counter #plan.arena<0, 8> {
  plan.repeat count #plan.input<1> max 1000 counter #plan.arena<0, 8> {
    // CHECK: plan.launch @step [#plan.arena<64, 64>, #plan.arena<0, 8>, #plan.weight<3>, #plan.constant<0, 64>, #plan.arena<64, 64>]
    plan.launch @step [#plan.arena<64, 64>, #plan.arena<0, 8>, #plan.weight<3>, #plan.constant<0, 64>, #plan.arena<64, 64>]
  }
  // CHECK: plan.copy #plan.arena<64, 64> -> #plan.output<0> bytes 64
  plan.copy #plan.arena<64, 64> -> #plan.output<0> bytes 64
}
