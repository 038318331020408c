// Wrong command lines of hbc compile: a numbered error, exit code 2, nothing written.
// RUN: split-file %s %t
// RUN: not hbc compile %t/m.hb --entry f --stop-after=nowhere 2>&1 | FileCheck %s --check-prefix=PHASE
// RUN: not hbc compile %t/m.hb --entry f 2>&1 | FileCheck %s --check-prefix=OUTPUT
// RUN: not hbc compile %t/m.hb --entry f_vjp --dtype bf16 -o %t/m.hbm 2>&1 | FileCheck %s --check-prefix=LATER
// RUN: not hbc compile %t/m.hb --entry f --dim B=0 -o %t/m.hbm 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: not hbc compile %t/m.hb --entry f --target pdp11 -o %t/m.hbm 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not hbc compile %t/m.hb --entry f --memory-budget=plenty -o %t/m.hbm 2>&1 | FileCheck %s --check-prefix=BYTES
// RUN: not ls %t/m.hbm

// PHASE: error HB0714: --stop-after: expected import, simplify, fuse, differentiate, kernels, plan, emit, package; found nowhere
// OUTPUT: error HB0715: hbc compile: expected -o OUT.hbm
// LATER: error HB0712: --dtype with --entry: expected an option this version has; found bf16 with f_vjp
// BYTES: error HB0717: --memory-budget: expected a number of bytes, with or without one of KB MB GB TB KiB MiB GiB TiB; found plenty
// SIZE: error HB0706: --dim B=0: expected a size from 1 to 2^31; found 0
// TARGET: error HB0730: --target pdp11

//--- m.hb
entry f (x: tensor[B]) where B = 4 -> (y: tensor[B]) {
  silu(x)
}
