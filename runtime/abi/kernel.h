/* The boundary between compiled kernels and the runtime: one function type, shared by compiler and runtime.
 * docs/module-format.md describes what the buffers are. */
#ifndef HB_RUNTIME_ABI_KERNEL_H
#define HB_RUNTIME_ABI_KERNEL_H

#include <stdint.h>

/* Version of everything in this header and of the layouts of weights; recorded in the module file and compared on load. */
#define HB_KERNEL_ABI_VERSION 2

/* Floats after the logical end of every packed weight and arena value that a kernel may read (never use): whole vectors. */
#define HB_READABLE_TAIL_BYTES 64

/* Bytes at the start of every thread's scratch that are zero when its first task of a launch begins. */
#define HB_SCRATCH_TAG_BYTES 64

/* Runs one task of a kernel. `buffers` are the operands, then the results; `scratch` is private to the calling thread,
 * 64-byte aligned, as large as the kernel's scratch_bytes; what a task left in it is there for the thread's next task of the same
 * launch, and its first HB_SCRATCH_TAG_BYTES are zero at the thread's first: a kernel may note there what it keeps. `task` counts from 0 to the kernel's grid. Tasks are independent:
 * any order, any thread, the same bits. */
typedef void (*hb_kernel_fn)(void *const *buffers, void *scratch, int64_t task);

#endif
