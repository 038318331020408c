// Phases do not read memory they have freed: with freed memory overwritten, a loop whose body has more launches than a map's first
// size compiles to the same plan (the planner once kept a reference into a map that grew).
// RUN: split-file %s %t
// RUN: cd %t && hbc compile m.hb --entry f --stop-after plan -o plain.mlir
// RUN: cd %t && env GLIBC_TUNABLES=glibc.malloc.perturb=165 hbc compile m.hb --entry f --stop-after plan -o perturbed.mlir
// RUN: cmp %t/plain.mlir %t/perturbed.mlir
// RUN: FileCheck %s < %t/perturbed.mlir

// CHECK: plan.repeat count
// CHECK-COUNT-200: plan.launch

//--- m.hb
entry f (x: tensor[B, D], steps: tensor[; i64]) where B = 2, D = 8 -> (y: tensor[B, D]) {
  let x = softmax(x * 2) + x
  repeat i in 0..steps max 10 from x = x => {
    let z = for k in 0..200 from x => softmax(x)
    z + x
  }
}
