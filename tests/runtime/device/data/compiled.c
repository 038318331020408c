// What CompiledTest.cpp runs. compiled.ptx is this file through:
//   clang-22 --target=nvptx64-nvidia-cuda -Xclang -target-cpu -Xclang sm_80 -Xclang -target-feature -Xclang +ptx80 -O3 -S -x c -nogpulib compiled.c -o compiled.ptx
typedef float f4 __attribute__((ext_vector_type(4)));
typedef _Float16 h2 __attribute__((ext_vector_type(2)));
#define __syncthreads_() __nvvm_bar_sync(0)
#define TID __nvvm_read_ptx_sreg_tid_x()
#define CTA __nvvm_read_ptx_sreg_ctaid_x()
__attribute__((noinline)) static float gelu(float x) { return 0.5f * x * (1.0f + __builtin_copysignf(1.0f - __nvvm_ex2_approx_ftz_f(-x * x), x)); }
static __attribute__((address_space(3))) float partial[4];
// softmax of rows of n halves, a row a block of 128 threads
__attribute__((nvptx_kernel)) void softmax(const _Float16 *__restrict__ in, _Float16 *__restrict__ out, const int *__restrict__ sizes) {
  int n = sizes[0], row = CTA, t = TID;
  float m = -__builtin_inff();
  for (int i = t; i < n; i += 128) m = __builtin_fmaxf(m, (float)in[row * n + i]);
  for (int s = 16; s; s >>= 1) m = __builtin_fmaxf(m, __nvvm_shfl_sync_bfly_f32(-1, m, s, 31));
  if (t % 32 == 0) partial[t / 32] = m;
  __syncthreads_();
  for (int w = 0; w < 4; ++w) m = __builtin_fmaxf(m, partial[w]);
  __syncthreads_();
  float sum = 0;
  for (int i = t; i < n; i += 128) sum += __nvvm_ex2_approx_ftz_f(((float)in[row * n + i] - m) * 1.44269504f);
  for (int s = 16; s; s >>= 1) sum += __nvvm_shfl_sync_bfly_f32(-1, sum, s, 31);
  if (t % 32 == 0) partial[t / 32] = sum;
  __syncthreads_();
  sum = partial[0] + partial[1] + partial[2] + partial[3];
  for (int i = t; i < n; i += 128) out[row * n + i] = (_Float16)(__nvvm_ex2_approx_ftz_f(((float)in[row * n + i] - m) * 1.44269504f) / sum);
}
__attribute__((nvptx_kernel)) void bits(const unsigned *__restrict__ a, const long *__restrict__ b, unsigned *__restrict__ out) {
  int i = CTA * 64 + TID; unsigned x = a[i]; long y = b[i]; unsigned char stack[16];
  for (int k = 0; k < 16; ++k) stack[(k * 5 + x) & 15] = (unsigned char)(y >> (k & 7) * 8);
  unsigned r = __builtin_popcount(x) + __builtin_clz(x | 1) * 3 + (unsigned)(y / (long)(x | 1)) + (unsigned)(y % 7) + ((x << 5) | (x >> 27)) + __builtin_bswap32(x);
  switch (x & 7) { case 0: r += 11; break; case 1: r ^= 0x55; break; case 2: r *= 7; break; case 3: r -= (unsigned)y; break; case 4: r = ~r; break; case 5: r += 3 * x; break; case 6: r ^= x >> 3; break; default: r -= 1; }
  out[i] = r + stack[x >> 8 & 15] + (short)y + (unsigned)((signed char)(x >> 16)) + (unsigned)((unsigned __int128)y * x >> 40);
}
__attribute__((nvptx_kernel)) void gelus(const float *__restrict__ a, float *__restrict__ out) {
  int i = CTA * 64 + TID; f4 v = ((const f4 *)a)[i]; f4 r;
  for (int k = 0; k < 4; ++k) r[k] = gelu(v[k]);
  ((f4 *)out)[i] = r;
}
