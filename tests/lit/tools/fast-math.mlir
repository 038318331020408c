// --math fast: the report names the kernels that make use of it, or says that none does; the module remembers it.
// RUN: hbc compile %S/../../parity/models/unet_hd64 --dim H=16 --dim W=16 -o %t.fast.hbm --math fast --stats=json --remarks > %t.fast.json 2> %t.fast.txt
// RUN: FileCheck %s --check-prefix=NOTE < %t.fast.txt
// RUN: FileCheck %s --check-prefix=STATS < %t.fast.json
// RUN: hb-rt inspect %t.fast.hbm | FileCheck %s --check-prefix=INSPECT
// RUN: hb-rt inspect %t.fast.hbm --json | FileCheck %s --check-prefix=JSON
// RUN: hbc compile %S/../../parity/models/unet_hd64 --dim H=16 --dim W=16 -o %t.strict.hbm --stats=json --remarks > %t.strict.json 2> %t.strict.txt
// RUN: FileCheck %s --check-prefix=STRICT < %t.strict.txt
// RUN: FileCheck %s --check-prefix=NONE < %t.strict.json
// RUN: hb-rt inspect %t.strict.hbm | FileCheck %s --check-prefix=STRICTLY
// RUN: hbc compile %S/../../parity/models/unet_a --dim H=16 --dim W=16 -o %t.none.hbm --math fast 2>&1 | FileCheck %s --check-prefix=UNUSED

// NOTE: note: --math fast: {{[0-9]+}} of {{[0-9]+}} kernels make use of it, by Winograd tiles of 4×2 points: {{.*}}winograd_input_0, [[KERNEL:contract_[0-9]+]], winograd_output_0
// NOTE: remark: {{.*}}[[KERNEL]]: matrix products of the Winograd planes{{.*}}; --math fast: Winograd tiles of 4×2 points
// STATS: "fast_math_kernels":["contract_{{.*}}","winograd_input_0"
// STATS-SAME: "math":"fast"
// INSPECT: kernels, {{[0-9]+}} weights, fast math
// JSON: "math":"fast"
// STRICT-NOT: fast
// STRICT: remark: {{.*}}matrix products of the Winograd planes
// STRICT-NOT: fast
// NONE: "fast_math_kernels":[]
// NONE-SAME: "math":"strict"
// STRICTLY: weights, strict math, stored as f32
// UNUSED: note: --math fast: none of {{[0-9]+}} kernels makes use of it; the code is that of --math strict
