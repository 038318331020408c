/* The kernels of the device conformance suite for the processor; ConformanceKernels.h has the same ones in PTX. */
#include <stdint.h>

/* y[i] = x[i] + x[i], eight elements in four tasks. */
void twice_0(void *const *buffers, void *scratch, int64_t task) {
  const float *x = buffers[0];
  float *y = buffers[1];
  for (int i = 0; i < 2; ++i)
    y[task * 2 + i] = x[task * 2 + i] + x[task * 2 + i];
}

/* y[i] = x[i] * w[i] + c[i]. */
void affine_0(void *const *buffers, void *scratch, int64_t task) {
  const float *x = buffers[0], *w = buffers[1], *c = buffers[2];
  float *y = buffers[3];
  for (int i = 0; i < 2; ++i)
    y[task * 2 + i] = x[task * 2 + i] * w[task * 2 + i] + c[task * 2 + i];
}

/* sum = 10 sum + outer + inner, in place: what the loops' counters were, and in which order. */
void count_0(void *const *buffers, void *scratch, int64_t task) {
  int64_t *sum = buffers[2];
  *sum = 10 * *sum + *(const int64_t *)buffers[0] + *(const int64_t *)buffers[1];
}
