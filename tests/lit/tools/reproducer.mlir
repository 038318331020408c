// A phase that fails names the program's line and leaves a reproducer that fails in the same way under hb-opt.
// RUN: split-file %s %t
// RUN: cd %t && not hbc compile m.hb --entry f -o m.hbm 2>&1 | FileCheck %s --check-prefix=ERROR
// RUN: not ls %t/m.hbm
// RUN: FileCheck %s --check-prefix=WHOLE < %t/m.hbm.reproducer.mlir
// RUN: not hb-opt --run-reproducer %t/m.hbm.reproducer.mlir 2>&1 | FileCheck %s --check-prefix=AGAIN

// ERROR: error HB0801: m.hb:2{{.*}}: {{.*}}expected a parameter as weight; found a computed one
// ERROR: note: m.hbm.reproducer.mlir holds the program at that phase
// WHOLE-NOT: elided
// WHOLE: dense<"0x
// WHOLE-NOT: elided
// AGAIN: HB0801: expected a parameter as weight

//--- m.hb
entry f (x: tensor[B, C, H, W], w: tensor[O, C, 3, 3]) where B = 1, C = 4, H = 8, W = 8, O = 4 -> (y: tensor[B, O, H, W], table: tensor[512]) {
  (conv2d(x, w, padding: 1), sin(cast(iota(512)) * 0.37))
}
