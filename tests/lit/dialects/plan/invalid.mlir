// What the verifiers of the plan ops refuse.
// RUN: hb-opt %s -split-input-file -verify-diagnostics

plan.program @p inputs [] outputs [] arena 64 lower_bound 0 {
  // expected-error@+1 {{expected a place inside the arena's 64 bytes; found offset 64}}
  plan.launch @k [#plan.arena<64, 64>]
}

// -----

plan.program @p inputs [ {name = "x", type = tensor<8xf32>} ] outputs [] arena 64 lower_bound 0 {
  // expected-error@+1 {{expected an input of the program; found input 1}}
  plan.launch @k [#plan.input<1>, #plan.arena<0, 64>]
}

// -----

plan.program @p inputs [ {name = "x", type = tensor<8xf32>} ] outputs [] arena 64 lower_bound 0 {
  // expected-error@+1 {{expected the arena or an output to be written; found a place that is only read}}
  plan.copy #plan.arena<0, 32> -> #plan.input<0> bytes 32
}

// -----

plan.program @p inputs [] outputs [ {name = "y", type = tensor<8xf32>} ] arena 64 lower_bound 0 {
  // expected-error@+1 {{expected places of 32 bytes; found 64}}
  plan.copy #plan.arena<0, 64> -> #plan.output<0> bytes 32
}

// -----

// expected-error@+1 {{expected an arena of at least the lower bound; found 64 of 128 bytes}}
plan.program @p inputs [] outputs [] arena 64 lower_bound 128 {
}

// -----

plan.program @p inputs [] outputs [] arena 64 lower_bound 0 {
  // expected-error@+1 {{expected a counter of 8 bytes in the arena; found another place}}
  plan.repeat max 3 counter #plan.arena<0, 64> {
  }
}
