// Compares the batch norm kernels of every instruction set with plain sums, on exactly sized buffers: for
// AddressSanitizer and UndefinedBehaviorSanitizer, and for processors that run in an emulator only.

#include "kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 32

static unsigned state = 1;
static float draw(void) { return (float)((state = state * 1664525u + 1013904223u) >> 8) / (1 << 23) - 1; }
static size_t below(size_t n) { return (size_t)((state = state * 1664525u + 1013904223u) >> 8) % n; }
static float *floats(size_t count, float lift) {
  float *all = malloc(count * sizeof *all);
  for (size_t i = 0; i < count; i++) all[i] = draw() + lift;
  return all;
}
static float *copy(const float *from, size_t count) {
  return memcpy(malloc(count * sizeof *from), from, count * sizeof *from);
}
static int differ(const float *a, const float *b, size_t count) { return memcmp(a, b, count * sizeof *a) != 0; }

/** Sums elements of a column: within a block in single precision, in pairs if `is_paired`; over blocks in double. */
static double sum_of(const float *terms, size_t rows, int is_paired) {
  double all = 0;
  for (size_t first = 0; first < rows; first += BLOCK) {
    float sums[2] = {0};
    for (size_t b = first; b < rows && b < first + BLOCK; b++) sums[is_paired ? (b - first) % 2 : 0] += terms[b];
    all += (double)(is_paired ? sums[0] + sums[1] : sums[0]);
  }
  return all;
}

static void column_forward(const norm *n, size_t j, float *y, float *running, float *statistics) {
  float *terms = malloc(n->rows * sizeof *terms);
  const float rows = (float)n->rows;
  for (size_t b = 0; b < n->rows; b++) terms[b] = n->x[b * n->ldx + j];
  const float mean = (float)(sum_of(terms, n->rows, 1) / (double)n->rows);
  for (size_t b = 0; b < n->rows; b++) {
    const float off = n->x[b * n->ldx + j] - mean;
    terms[b] = off * off;
  }
  double *const sums = (double *)(statistics + 2 * n->columns);
  sums[j] = sum_of(terms, n->rows, 1);
  const float variance = (float)(sums[j] / (double)n->rows), inverse = 1 / sqrtf(variance + n->epsilon);
  const float scale = inverse * n->gain[j];
  statistics[j] = mean;
  statistics[n->columns + j] = inverse;
  if (n->momentum != 0) {
    running[j] += n->momentum * (mean - running[j]);
    float *const running_variance = running + n->columns + j;
    if (n->rows > 1) *running_variance += n->momentum * (variance * (rows / (rows - 1)) - *running_variance);
  }
  for (size_t b = 0; b < n->rows; b++) y[b * n->ldy + j] = (n->x[b * n->ldx + j] - mean) * scale + n->shift[j];
  free(terms);
}

static void column_back(const norm_gradient *n, size_t j, float *dx, float *dgain, float *dshift, float *statistics) {
  const float mean = statistics[j], inverse = statistics[n->columns + j];
  double *const sums = (double *)(statistics + 2 * n->columns), *const products = sums + n->columns;
  sums[j] = products[j] = 0;
  for (size_t first = 0; first < n->rows; first += BLOCK) {
    float sum = 0, product = 0;
    for (size_t b = first; b < n->rows && b < first + BLOCK; b++) {
      sum += n->dy[b * n->ldy + j];
      product += n->dy[b * n->ldy + j] * (n->x[b * n->ldx + j] - mean);
    }
    sums[j] += (double)sum;
    products[j] += (double)(product * inverse);
  }
  dshift[j] = (float)sums[j];
  dgain[j] = (float)products[j];
  const float shift = (float)(sums[j] / (double)n->rows), share = (float)(products[j] / (double)n->rows);
  const float scale = inverse * n->gain[j];
  for (size_t b = 0; b < n->rows; b++) {
    const float hat = (n->x[b * n->ldx + j] - mean) * inverse;
    const float d = scale * (n->dy[b * n->ldy + j] - shift - hat * share);
    dx[b * n->ldx + j] = n->accumulate ? d + dx[b * n->ldx + j] : d;
  }
}

static int try(const char *name, normalize_kernel *normalize, normalize_gradient_kernel *normalize_gradient) {
  for (int run = 0; run < 300; run++) {
    const size_t rows = 1 + below(200), columns = 4 * (1 + below(40));
    const size_t ldx = columns + below(9), ldy = columns + below(9);
    const size_t begin = below(columns / 16 + 1) * 16, lines = (columns - begin) / 16;
    const size_t end = below(2) ? columns : begin + below(lines + 1) * 16;
    const size_t xs = (rows - 1) * ldx + columns, ys = (rows - 1) * ldy + columns;
    float *x = floats(xs, 0.5f), *y = floats(ys, 0), *dy = floats(ys, 0), *dx = floats(xs, 0);
    float *gain = floats(columns, 1), *shift = floats(columns, 0);
    float *dgain = floats(columns, 0), *dshift = floats(columns, 0);
    float *running = floats(2 * columns, 1), *statistics = floats(6 * columns, 0);
    float *y2 = copy(y, ys), *dx2 = copy(dx, xs), *dgain2 = copy(dgain, columns), *dshift2 = copy(dshift, columns);
    float *running2 = copy(running, 2 * columns), *statistics2 = copy(statistics, 6 * columns);
    const norm forward = {x, ldx, y, ldy, gain, shift, running, statistics, rows, columns, 1e-5f, below(2) ? 0.1f : 0};
    const norm_gradient back = {x, ldx, dy, ldy, gain, statistics, dx, dgain, dshift, rows, columns, (int)below(2)};
    normalize(&forward, begin, end);
    for (size_t j = begin; j < end; j++) column_forward(&forward, j, y2, running2, statistics2);
    int is_same = !differ(y, y2, ys) && !differ(running, running2, 2 * columns);
    is_same &= !differ(statistics, statistics2, 6 * columns);
    is_same &= normalize_gradient(&back, begin, end);
    for (size_t j = begin; j < end; j++) column_back(&back, j, dx2, dgain2, dshift2, statistics2);
    is_same &= !differ(dx, dx2, xs) && !differ(dgain, dgain2, columns) && !differ(dshift, dshift2, columns);
    is_same &= !differ(statistics, statistics2, 6 * columns);
    if (!is_same) {
      printf("%s: other norms for %zu rows, columns %zu to %zu of %zu\n", name, rows, begin, end, columns);
      return 1;
    }
    free(x), free(y), free(dy), free(dx), free(gain), free(shift);
    free(dgain), free(dshift), free(running), free(statistics);
    free(y2), free(dx2), free(dgain2), free(dshift2), free(running2), free(statistics2);
  }
  return printf("%s: the same norms\n", name), 0;
}

int main(void) {
  int failed = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
    failed |= try("AVX-512", normalize_avx512, normalize_gradient_avx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    failed |= try("AVX2", normalize_avx2, normalize_gradient_avx2);
#else
  failed |= try("NEON", normalize_neon, normalize_gradient_neon);
#endif
  return failed;
}
