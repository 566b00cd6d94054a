// Batch norm with the sums of norm.ts in their order, and so with its bits. Compiled once for each family of
// processors. Some
// vectors of columns go down the rows together, so that memory is read in long pieces; of the last columns a vector at
// a time,
// `left` of which count.

#include "kernels.h"
#include "vector.h"

/** Rows that are summed in single precision, as in sums.ts. */
#define BLOCK 32
/** Rows that are on their way from memory where they are read first. */
#define AHEAD 24
/** Vectors of columns that go together: as many as leave their sums in registers. */
#if LANES == 16
#define TOGETHER 4
#else
#define TOGETHER 2
#endif
#define EACH UNROLL for (int v = 0; v < together; v++)

INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }
/** The v-th vector of a row. */
INLINE vector at(const float *row, size_t left, int v) { return load_some(row + v * LANES, left - (size_t)v * LANES); }
INLINE void put(float *row, size_t left, int v, vector x) { store_some(row + v * LANES, left - (size_t)v * LANES, x); }

/** Adds a block's sums to those of the blocks before. */
INLINE void add_block(double *sums, size_t left, int v, vector block) {
  float all[LANES];
  memcpy(all, &block, sizeof all);
  for (size_t j = 0; j < least(left - (size_t)v * LANES, LANES); j++) sums[v * LANES + j] += (double)all[j];
}

/** Sums divided by a number of rows, in single precision. */
INLINE vector mean_of(const double *sums, size_t left, int v, size_t rows) {
  float all[LANES] = {0};
  for (size_t j = 0; j < least(left - (size_t)v * LANES, LANES); j++)
    all[j] = (float)(sums[v * LANES + j] / (double)rows);
  vector mean;
  memcpy(&mean, all, sizeof all);
  return mean;
}

INLINE vector square(vector x) { return x * x; }

// Rows of a block are added up in two sums, every other one apart; `term` is what is added of x.
#define SUM_ROWS(is_first, term) \
  for (size_t j = 0; j < left; j++) sums[j] = 0; \
  for (size_t first = 0; first < n->rows; first += BLOCK) { \
    const size_t last = least(first + BLOCK, n->rows); \
    vector even[TOGETHER], odd[TOGETHER]; \
    EACH even[v] = odd[v] = splat(0); \
    for (size_t b = first; b < last; b += 2) { \
      const int has_odd = b + 1 < last; \
      const float *row = n->x + b * n->ldx + from, *next = has_odd ? row + n->ldx : row; \
      if (is_first) { \
        const float *coming = n->x + least(b + AHEAD, n->rows - 1) * n->ldx + from, \
                    *after = n->x + least(b + AHEAD + 1, n->rows - 1) * n->ldx + from; \
        EACH PREFETCH(coming + v * LANES); \
        EACH PREFETCH(after + v * LANES); \
      } \
      EACH { \
        const vector x = at(row, left, v); \
        even[v] = even[v] + (term); \
      } \
      if (has_odd) EACH { \
        const vector x = at(next, left, v); \
        odd[v] = odd[v] + (term); \
      } \
    } \
    EACH add_block(sums, left, v, even[v] + odd[v]); \
  }

INLINE void normalize_columns(const norm *n, size_t from, size_t left, const int together) {
  double *sums = (double *)(n->statistics + 2 * n->columns) + from;
  float *means = n->statistics + from, *inverses = means + n->columns, *running = n->running + from;
  vector mean[TOGETHER], scale[TOGETHER], shift[TOGETHER];
  SUM_ROWS(1, x)
  EACH mean[v] = mean_of(sums, left, v, n->rows);
  SUM_ROWS(0, square(x - mean[v]))
  EACH {
    const vector variance = mean_of(sums, left, v, n->rows),
                 inverse = splat(1) / square_root(variance + splat(n->epsilon));
    put(means, left, v, mean[v]);
    put(inverses, left, v, inverse);
    scale[v] = inverse * at(n->gain + from, left, v);
    shift[v] = at(n->shift + from, left, v);
    if (n->momentum != 0) {
      const vector moved = splat(n->momentum), before = at(running, left, v);
      put(running, left, v, before + moved * (mean[v] - before));
      // The running variance is the unbiased one; a batch of one row has none to give.
      const vector wide = at(running + n->columns, left, v),
                   unbiased = variance * splat((float)n->rows / (float)(n->rows - 1));
      if (n->rows > 1) put(running + n->columns, left, v, wide + moved * (unbiased - wide));
    }
  }
  for (size_t b = 0; b < n->rows; b++) {
    const float *row = n->x + b * n->ldx + from;
    EACH put(n->y + b * n->ldy + from, left, v, (at(row, left, v) - mean[v]) * scale[v] + shift[v]);
  }
}

INLINE vector gradient_columns(const norm_gradient *n, size_t from, size_t left, const int together) {
  double *sums = (double *)(n->statistics + 2 * n->columns) + from, *products = sums + n->columns;
  vector mean[TOGETHER], inverse[TOGETHER], scale[TOGETHER], shift[TOGETHER], share[TOGETHER], seen = splat(0);
  EACH mean[v] = at(n->statistics + from, left, v);
  EACH inverse[v] = at(n->statistics + n->columns + from, left, v);
  for (size_t j = 0; j < left; j++) sums[j] = products[j] = 0;
  for (size_t first = 0; first < n->rows; first += BLOCK) {
    const size_t last = least(first + BLOCK, n->rows);
    vector sum[TOGETHER], product[TOGETHER];
    EACH sum[v] = product[v] = splat(0);
    for (size_t b = first; b < last; b++) {
      const float *row = n->x + b * n->ldx + from, *d_row = n->dy + b * n->ldy + from;
      const size_t coming = least(b + AHEAD, n->rows - 1) - b;
      EACH {
        PREFETCH(row + coming * n->ldx + v * LANES);
        PREFETCH(d_row + coming * n->ldy + v * LANES);
        const vector d = at(d_row, left, v);
        sum[v] = sum[v] + d;
        product[v] = product[v] + d * (at(row, left, v) - mean[v]);
      }
    }
    EACH add_block(sums, left, v, sum[v]);
    EACH add_block(products, left, v, product[v] * inverse[v]);
  }
  EACH {
    const vector dshift = mean_of(sums, left, v, 1), dgain = mean_of(products, left, v, 1);
    put(n->dshift + from, left, v, dshift);
    put(n->dgain + from, left, v, dgain);
    seen = look(look(seen, dshift), dgain);
    shift[v] = mean_of(sums, left, v, n->rows);
    share[v] = mean_of(products, left, v, n->rows);
    scale[v] = inverse[v] * at(n->gain + from, left, v);
  }
  for (size_t b = 0; b < n->rows; b++) {
    const float *row = n->x + b * n->ldx + from, *d_row = n->dy + b * n->ldy + from;
    float *to = n->dx + b * n->ldx + from;
    EACH {
      const vector hat = (at(row, left, v) - mean[v]) * inverse[v];
      vector d = scale[v] * (at(d_row, left, v) - shift[v] - hat * share[v]);
      if (n->accumulate) d = d + at(to, left, v);
      put(to, left, v, d);
    }
  }
  return seen;
}

// Columns in groups: as many as go together, then vector by vector.
#define EACH_GROUP(each) \
  size_t from = begin; \
  for (; from + TOGETHER * LANES <= end; from += TOGETHER * LANES) each(n, from, TOGETHER * LANES, TOGETHER); \
  for (; from + LANES <= end; from += LANES) each(n, from, LANES, 1); \
  if (from < end) each(n, from, end - from, 1);

void NAME(normalize)(const norm *n, size_t begin, size_t end) {
  EACH_GROUP(normalize_columns)
}

int NAME(normalize_gradient)(const norm_gradient *n, size_t begin, size_t end) {
  vector seen = splat(0);
#define ADD(...) seen = seen + gradient_columns(__VA_ARGS__)
  EACH_GROUP(ADD)
#undef ADD
  return saw_finite(seen);
}
