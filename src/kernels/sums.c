// Sums of columns.

#include "sums.h"

/** g[n] (+)= sum of d[b, n] over rows; columns, a multiple of 4, are shared among workers. */
INLINE void sum_columns(const float *d, size_t ldd, float *g, size_t rows, int32_t columns, int32_t accumulate) {
  const size_t end = share_end(columns, LINE);
  vector seen = splat(0);
  for (size_t n = share_begin(columns, LINE); n < end; n += LANES) {
    const size_t left = end - n;
    double sums[LANES] = {0};
    const float *at = d + n;
    for (size_t b = 0; b < rows;) {
      vector sum = splat(0);
      for (const size_t stop = b + BLOCK < rows ? b + BLOCK : rows; b < stop; b++, at += ldd)
        sum += load_columns(at, left);
      add_columns(sums, left, sum);
    }
    vector sum = mean_columns(sums, left, 1);
    if (accumulate) sum += load_columns(g + n, left);
    store_columns(g + n, left, sum);
    seen = look(seen, sum);
  }
  keep(seen);
}

KERNEL(columnSums)(const float *d, int32_t ldd, float *g, int32_t rows, int32_t columns, int32_t accumulate) {
  sum_columns(d, (size_t)ldd, g, (size_t)rows, columns, accumulate);
}

/** g[n] = sum over the parts of `rows` rows of a batch, whose sums are `stride` floats apart. */
KERNEL(partSums)(const float *sums, int32_t stride, float *g, int32_t rows, int32_t columns, int32_t parts) {
  const size_t each = part_rows((size_t)rows, (size_t)parts);
  sum_columns(sums, (size_t)stride, g, ((size_t)rows + each - 1) / each, columns, 0);
}
