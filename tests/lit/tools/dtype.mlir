// --dtype: the module remembers it, its entry stays f32, weights of f32 take half the bytes; a VAE that overflows float16 keeps its activations.
// RUN: hbc compile %S/../../parity/models/vae_sdxl --entry vae_decode -o %t.wide.hbm --dim H=8 --dim W=8 --memory-report=json | FileCheck %s --check-prefix=WIDE
// RUN: hbc compile %S/../../parity/models/vae_sdxl --entry vae_decode -o %t.hbm --dim H=8 --dim W=8 --dtype bf16 --memory-report=json | FileCheck %s --check-prefix=NARROW
// RUN: hb-rt inspect %t.hbm | FileCheck %s --check-prefix=INSPECT
// RUN: hb-rt inspect %t.hbm --json | FileCheck %s --check-prefix=JSON
// RUN: hbc compile %S/../../parity/models/vae_sdxl --entry vae_decode --dim H=8 --dim W=8 --dtype f16 --stop-after=kernels -o %t.mlir 2>&1 | FileCheck %s --check-prefix=NOTE
// RUN: FileCheck %s --check-prefix=KERNELS < %t.mlir
// RUN: not hbc compile %S/../../parity/models/vae_sdxl --entry vae_decode -o %t.none.hbm --dtype f8 2>&1 | FileCheck %s --check-prefix=USAGE

// WIDE: "peak_bytes":672064
// NARROW: "peak_bytes":336064
// INSPECT: strict math, stored as bf16
// INSPECT: input latents F32 [1, 4, 8, 8]
// JSON: "dtype":"bf16"
// NOTE: note: --dtype f16: the activations of the network stay f32, as force_upcast in its config asks
// KERNELS-NOT: kernel.launch{{.*}} -> tensor<{{.*}}f16>
// KERNELS: xf16, #kernel.packed<panel16>>
// KERNELS-NOT: kernel.launch{{.*}} -> tensor<{{.*}}f16>
// USAGE: --dtype
