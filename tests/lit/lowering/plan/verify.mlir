// The replay finds what a wrong plan would read.
// RUN: hb-opt %s --hb-verify-plan -split-input-file -verify-diagnostics

kernel.def @square(%x: tensor<16xf32>) -> tensor<16xf32> {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  kernel.return %y : tensor<16xf32>
}
plan.program @clobbered inputs [ {name = "x", type = tensor<16xf32>} ] outputs [ {name = "y", type = tensor<16xf32>} ] arena 256 lower_bound 192 {
  plan.launch @square [#plan.input<0>, #plan.arena<0, 64>] {values = array<i64: 0, 1>}
  plan.launch @square [#plan.input<0>, #plan.arena<0, 64>] {values = array<i64: 0, 2>}
  // expected-error@+1 {{HB0821: expected binding 0 to hold value 1; found other bytes in its place}}
  plan.launch @square [#plan.arena<0, 64>, #plan.output<0>] {values = array<i64: 1, 3>}
}

// -----

kernel.def @square(%x: tensor<16xf32>) -> tensor<16xf32> {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  kernel.return %y : tensor<16xf32>
}
plan.program @inplace inputs [ {name = "x", type = tensor<16xf32>} ] outputs [ {name = "y", type = tensor<16xf32>} ] arena 256 lower_bound 192 {
  plan.launch @square [#plan.input<0>, #plan.arena<0, 64>] {values = array<i64: 0, 1>}
  // expected-error@+1 {{HB0821: expected binding 1 apart from the others; found an overlap with binding 0}}
  plan.launch @square [#plan.arena<0, 64>, #plan.arena<0, 64>] {values = array<i64: 1, 2>}
}

// -----

// Right the first time round, wrong the second.
kernel.def @square(%x: tensor<16xf32>) -> tensor<16xf32> {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  kernel.return %y : tensor<16xf32>
}
plan.program @second inputs [ {name = "x", type = tensor<16xf32>} ] outputs [ {name = "y", type = tensor<16xf32>} ] arena 512 lower_bound 192 {
  plan.launch @square [#plan.input<0>, #plan.arena<0, 64>] {values = array<i64: 0, 1>}
  plan.repeat max 3 counter #plan.arena<128, 8> attributes {values = array<i64: 9>} {
    // expected-error@+1 {{HB0821: expected binding 0 to hold value 1; found other bytes in its place}}
    plan.launch @square [#plan.arena<0, 64>, #plan.arena<192, 64>] {values = array<i64: 1, 2>}
    plan.launch @square [#plan.arena<192, 64>, #plan.arena<0, 64>] {values = array<i64: 2, 3>}
  }
}

// -----

kernel.def @square(%x: tensor<16xf32>) -> tensor<16xf32> {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  kernel.return %y : tensor<16xf32>
}
plan.program @edge inputs [ {name = "x", type = tensor<16xf32>} ] outputs [] arena 64 lower_bound 64 {
  // expected-error@+1 {{HB0821: expected an aligned place inside the arena; found offset 0, size 64}}
  plan.launch @square [#plan.input<0>, #plan.arena<0, 64>] {values = array<i64: 0, 1>}
}

// -----

// A kernel that writes a part of its result must find the rest in the result's place.
kernel.def @part(%x: tensor<16xf32>, %into: tensor<16xf32>) -> tensor<16xf32> attributes {inplace = [[1, 0]], tied = 1 : i64} {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  kernel.return %y : tensor<16xf32>
}
plan.program @tied inputs [ {name = "x", type = tensor<16xf32>} ] outputs [ {name = "y", type = tensor<16xf32>} ] arena 256 lower_bound 192 {
  plan.launch @part [#plan.input<0>, #plan.output<0>, #plan.output<0>] {values = array<i64: 0, 1, 1>}
  // expected-error@-1 {{HB0821: expected output 0 to hold value 1; found another one or none}}
}

// -----

kernel.def @whole(%x: tensor<16xf32>) -> tensor<16xf32> {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  kernel.return %y : tensor<16xf32>
}
kernel.def @part(%x: tensor<16xf32>, %into: tensor<16xf32>) -> tensor<16xf32> attributes {inplace = [[1, 0]], tied = 1 : i64} {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    kernel.yield %a : f32
  }
  kernel.return %y : tensor<16xf32>
}
plan.program @apart inputs [ {name = "x", type = tensor<16xf32>} ] outputs [ {name = "y", type = tensor<16xf32>} ] arena 256 lower_bound 192 {
  plan.launch @whole [#plan.input<0>, #plan.arena<0, 64>] {values = array<i64: 0, 1>}
  // expected-error@+1 {{HB0821: expected the result in the place of operand 1; found another place}}
  plan.launch @part [#plan.input<0>, #plan.arena<0, 64>, #plan.output<0>] {values = array<i64: 0, 1, 1>}
}
