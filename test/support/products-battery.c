// Compares the product kernels of every instruction set with plain sums, on exactly sized buffers: for AddressSanitizer
// and UndefinedBehaviorSanitizer, which cannot check accesses within a WebAssembly memory.

#include "kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned state = 1;
static float draw(void) { return (float)((state = state * 1664525u + 1013904223u) >> 8) / (1 << 23) - 1; }
static size_t below(size_t n) { return (size_t)((state = state * 1664525u + 1013904223u) >> 8) % n; }
static float *floats(size_t count) {
  float *all = malloc(count * sizeof *all);
  for (size_t i = 0; i < count; i++) all[i] = draw();
  return all;
}
static float *copy(const float *from, size_t count) {
  return memcpy(malloc(count * sizeof *from), from, count * sizeof *from);
}
static int differ(const float *a, const float *b, size_t count) { return memcmp(a, b, count * sizeof *a) != 0; }

/** Adds `count` products of elements with strides `step_a` and `step_b` to `sum`. */
typedef float sum_kernel(float sum, const float *a, size_t step_a, const float *b, size_t step_b, size_t count);

static float sum_each(float sum, const float *a, size_t step_a, const float *b, size_t step_b, size_t count) {
  for (size_t n = 0; n < count; n++) sum = fmaf(a[n * step_a], b[n * step_b], sum);
  return sum;
}

static int try(const char *name, gemm_kernel *gemm, gemm_gradient_kernel *gemm_gradient, sum_kernel *add) {
  for (int run = 0; run < 400; run++) {
    const size_t rows = 1 + below(280), k = 1 + below(70), panels = 1 + below(9), n = panels * 8;
    const size_t ldx = k + below(9), ldy = n + below(9);
    const size_t begin = below(rows + 1), end = begin + below(rows + 1 - begin);
    const size_t first = below(k + 1), last = first + below(k + 1 - first);
    const int accumulate = (int)below(2), has_bias = (int)below(2);
    const size_t xs = (rows - 1) * ldx + k, ys = (rows - 1) * ldy + n;
    float *x = floats(xs), *p = floats(n * k), *bias = floats(n), *y = floats(ys), *g = floats(n * k);
    float *y2 = copy(y, ys), *g2 = copy(g, n * k);
    gemm(x, ldx, p, has_bias ? bias : NULL, y, ldy, begin, end, k, panels, accumulate);
    for (size_t b = begin; b < end; b++) {
      for (size_t j = 0; j < n; j++) {
        const float sum = add(0, x + b * ldx, 1, p + j / 8 * k * 8 + j % 8, 8, k) + (has_bias ? bias[j] : 0);
        y2[b * ldy + j] = accumulate ? sum + y2[b * ldy + j] : sum;
      }
    }
    gemm_gradient(x, ldx, y, ldy, g, rows, first, last, k, panels, accumulate);
    for (size_t i = first; i < last; i++) {
      for (size_t j = 0; j < n; j++) {
        float *out = g2 + (j / 8 * k + i) * 8 + j % 8;
        *out = add(accumulate ? *out : 0, x + i, ldx, y + j, ldy, rows);
      }
    }
    if (differ(y, y2, ys) || differ(g, g2, n * k)) {
      printf("%s: other sums for %zu rows, %zu inputs, %zu panels\n", name, rows, k, panels);
      return 1;
    }
    free(x), free(p), free(bias), free(y), free(g), free(y2), free(g2);
  }
  return printf("%s: the same sums\n", name), 0;
}

#if defined(WITH_BF16)
/** Rounds to 8 significant bits, ties to even; magnitudes below 2^-56 to 0. */
static float rounded(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  if (fabsf(x) < 0x1p-56f) bits = 0;
  memcpy(&x, &bits, sizeof bits);
  return x;
}

/** Adds products of rounded elements in pairs, the second of a pair first. */
static float sum_pairs(float sum, const float *a, size_t step_a, const float *b, size_t step_b, size_t count) {
  for (size_t turn = 0; turn < count; turn++) {
    const size_t n = (turn ^ 1) < count ? turn ^ 1 : turn;
    sum = fmaf(rounded(a[n * step_a]), rounded(b[n * step_b]), sum);
  }
  return sum;
}
#endif

int main(void) {
#if defined(WITH_BF16)
  if (__builtin_cpu_supports("avx512bf16") && try("BF16", gemm_bf16, gemm_gradient_bf16, sum_pairs)) return 1;
#endif
#if defined(__x86_64__)
  const int is_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
  const int is_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return (is_avx512 && try("AVX-512", gemm_avx512, gemm_gradient_avx512, sum_each)) ||
         (is_avx2 && try("AVX2", gemm_avx2, gemm_gradient_avx2, sum_each));
#else
  return try("NEON", gemm_neon, gemm_gradient_neon, sum_each);
#endif
}
