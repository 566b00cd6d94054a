// Between the backward pass and the update: products between the gradients of terms, their combination, and the norm of
// gradients.

#include "vector.h"

/** Floats that are summed in single precision; sums of blocks are added in double precision. */
#define BLOCK 64

/** Returns the number of floats: `count`, or `count` for each of a table's distinct rows. */
static int32_t size_of(int32_t count, const int32_t *rows) { return rows ? count * *rows : count; }

static double product(const float *a, const float *b, size_t count) {
  double total = 0;
  for (size_t i = 0; i < count;) {
    const size_t stop = i + BLOCK < count ? i + BLOCK : count;
    four sum = {0};
    for (; i + 4 <= stop; i += 4) sum += load_four(a + i, 4) * load_four(b + i, 4);
    total += (double)sum[0] + (double)sum[1] + (double)sum[2] + (double)sum[3];
    for (; i < stop; i++) total += (double)a[i] * (double)b[i];
  }
  return total;
}

/**
 * out = <g_i, g_j> for all areas i ≤ j of gradients, row by row of the triangle; by the worker whose turn it is.
 * @param count floats, or floats for each of as many rows as stand at `countAt` unless that is 0
 */
KERNEL(products)(
  const float *g, size_t areaBytes, int32_t areas, int32_t count, const int32_t *countAt, double *out, int32_t turn
) {
  if (!is_turn(turn)) return;
  const size_t size = (uint32_t)size_of(count, countAt), gap = areaBytes / sizeof *g;
  for (int32_t i = 0; i < areas; i++)
    for (int32_t j = i; j < areas; j++) *out++ = product(g + (size_t)i * gap, g + (size_t)j * gap, size);
}

/** The first area = Σ weight of an area · area; shared among workers. Sizes are those of `products`. */
KERNEL(combine)(
  float *g, size_t areaBytes, int32_t areas, int32_t count, const int32_t *countAt, const float *weights
) {
  const int32_t size = size_of(count, countAt);
  const size_t end = share_end(size, 16), gap = areaBytes / sizeof *g;
  for (size_t i = share_begin(size, 16); i < end; i += LANES) {
    vector sum = splat(0);
    for (int32_t area = 0; area < areas; area++)
      sum += splat(weights[area]) * load_some(g + (size_t)area * gap + i, end - i);
    store_some(g + i, end - i, sum);
  }
}

/** total = g if `fresh` is nonzero, else total + g; shared among workers. */
KERNEL(accumulate)(const float *g, float *total, int32_t count, const uint32_t *fresh) {
  const uint32_t is_fresh = *fresh;
  const size_t end = share_end(count, 16);
  for (size_t i = share_begin(count, 16); i < end; i += LANES) {
    vector sum = load_some(g + i, end - i);
    if (!is_fresh) sum += load_some(total + i, end - i);
    store_some(total + i, end - i, sum);
  }
}

/**
 * norm = the norm of gradients from the products of their `count` parts with themselves; both scales = the factor that
 * brings the norm down to `most`. By the first worker.
 */
KERNEL(clipNorm)(const double *sums, int32_t count, double most, double *norm, float *scale, float *otherScale) {
  if (!is_first()) return;
  double square = 0;
  for (int32_t i = 0; i < count; i++) square += sums[i];
  *norm = __builtin_sqrt(square);
  *scale = *otherScale = (float)(*norm > most ? most / *norm : 1);
}
