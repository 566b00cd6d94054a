// Operations between the rows of a batch and the items of a sequence: row b has items offsets[b] … offsets[b + 1], one
// row each in a matrix of items. Workers share the rows of the batch, each with all items of its rows, so sums have one
// order. Columns come in fours, zero beyond the width.

#include "vector.h"

/** The rows b of this worker, with their items from `first` up to `stop`. */
#define EACH_ROW \
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) \
    for (size_t first = offsets[b], stop = offsets[b + 1], is_next = 0; !is_next; is_next = 1)
#define EACH_ITEM ROLLED for (size_t item = first; item < stop; item++)

INLINE const float *row_of(const float *x, int32_t ld, size_t row) { return x + row * (size_t)ld; }
INLINE float *to_row(float *y, int32_t ld, size_t row) { return y + row * (size_t)ld; }

/** Returns the factor of a row with so many items: 1, or 1 over their number. */
INLINE vector factor_of(int32_t is_mean, size_t items) {
  return splat(is_mean && items > 1 ? 1 / (float)items : 1);
}

/** Returns the maximum over items, by column; 0 without items. */
INLINE vector largest(const float *x, int32_t ldx, size_t first, size_t stop, size_t left) {
  vector most = first < stop ? load_columns(row_of(x, ldx, first), left) : splat(0);
  ROLLED for (size_t item = first + 1; item < stop; item++)
    most = max_of(most, load_columns(row_of(x, ldx, item), left));
  return most;
}

/** Returns w[item] · x; x without weights. */
INLINE vector weighted(const float *w, int32_t ldw, size_t item, vector x) {
  if (w) x *= splat(w[item * (size_t)ldw]);
  return x;
}

/** y[item] (+)= factor · w[item] · x[b] for the items of row b; the factor is 1, or 1 over their number. */
KERNEL(expand)(
  const float *x, int32_t ldx, const float *w, int32_t ldw, const uint32_t *offsets, float *y, int32_t ldy,
  int32_t rows, int32_t columns, int32_t isMean, int32_t accumulate
) {
  EACH_ROW {
    const vector factor = factor_of(isMean, stop - first);
    const float *from = row_of(x, ldx, b);
    EACH_ITEM EACH_SPAN(columns) {
      const vector value = weighted(w, ldw, item, factor * load_columns(from + n, left));
      put_columns(to_row(y, ldy, item) + n, left, value, accumulate);
    }
  }
}

/** Items that a sum adds: `count` rows of x, and their weights, if any. */
typedef struct {
  const float *x, *w;
  int32_t ldx, ldw;
  size_t count;
} summed_items;

/** Sums w[item] · x[item] over items for so many whole vectors of columns; without weights, x[item]. */
INLINE void sum_items(const int vectors, summed_items of, size_t n, vector factor, float *y, int32_t accumulate) {
  vector sums[4] = {splat(0), splat(0), splat(0), splat(0)};
  ROLLED for (size_t item = 0; item < of.count; item++) UNROLL for (int v = 0; v < vectors; v++)
    sums[v] += weighted(of.w, of.ldw, item, load_some(row_of(of.x, of.ldx, item) + n + v * LANES, LANES));
  UNROLL for (int v = 0; v < vectors; v++) put_columns(y + n + v * LANES, LANES, factor * sums[v], accumulate);
}

/**
 * y[b] (+)= factor · Σ w[item] · x[item] over the items of row b; 0 without items.
 * @param isShared whether x has the items of one row, which all rows have
 */
KERNEL(segmentSum)(
  const float *x, int32_t ldx, const float *w, int32_t ldw, const uint32_t *offsets, float *y, int32_t ldy,
  int32_t rows, int32_t columns, int32_t isMean, int32_t accumulate, int32_t isShared
) {
  EACH_ROW {
    const vector factor = factor_of(isMean, stop - first);
    const float *weights = w ? row_of(w, ldw, first) : w;
    const summed_items of = {row_of(x, ldx, isShared ? 0 : first), weights, ldx, ldw, stop - first};
    float *to = to_row(y, ldy, b);
    size_t n = 0;
    for (; n + 4 * LANES <= (size_t)columns; n += 4 * LANES) sum_items(4, of, n, factor, to, accumulate);
    for (; n + 2 * LANES <= (size_t)columns; n += 2 * LANES) sum_items(2, of, n, factor, to, accumulate);
    for (; n < (size_t)columns; n += LANES) {
      const size_t left = (size_t)columns - n;
      vector sum = splat(0);
      ROLLED for (size_t item = 0; item < of.count; item++)
        sum += weighted(of.w, ldw, item, load_columns(row_of(of.x, ldx, item) + n, left));
      put_columns(to + n, left, factor * sum, accumulate);
    }
  }
}

/** dw[item] (+)= the dot product of x[item] and dy[b] for the items of row b. */
KERNEL(segmentDots)(
  const float *x, int32_t ldx, const uint32_t *offsets, const float *dy, int32_t ldy, float *dw, int32_t ldw,
  int32_t rows, int32_t columns, int32_t accumulate
) {
  EACH_ROW EACH_ITEM {
    four sum = splat_four(0);
    ROLLED for (size_t n = 0; n < (size_t)columns; n += 4)
      sum += load_four(row_of(x, ldx, item) + n, 4) * load_four(row_of(dy, ldy, b) + n, 4);
    float *to = to_row(dw, ldw, item);
    *to = accumulate ? *to + sum_of_four(sum) : sum_of_four(sum);
  }
}

/** y[b] = the maximum of x[item] over the items of row b, by column; 0 without items. */
KERNEL(segmentMax)(
  const float *x, int32_t ldx, const uint32_t *offsets, float *y, int32_t ldy, int32_t rows, int32_t columns
) {
  EACH_ROW EACH_SPAN(columns)
    store_columns(to_row(y, ldy, b) + n, left, largest(x + n, ldx, first, stop, left));
}

/** dx[item] (+)= dy[b] for the first item of row b that has the maximum, by column, and 0 for the others. */
KERNEL(segmentMaxGradient)(
  const float *x, int32_t ldx, const uint32_t *offsets, const float *y, int32_t ldy, const float *dy, float *dx,
  int32_t rows, int32_t width, int32_t accumulate
) {
  EACH_ROW EACH_SPAN(width) {
    const vector most = load_some(row_of(y, ldy, b) + n, left);
    bits value = (bits)load_some(row_of(dy, ldy, b) + n, left);
    EACH_ITEM {
      const bits is_most = (bits)(load_some(row_of(x, ldx, item) + n, left) == most);
      float *to = to_row(dx, ldx, item) + n;
      vector d = (vector)(value & is_most);
      if (accumulate) d += load_some(to, left);
      store_some(to, left, d);
      value &= ~is_most;
    }
  }
}

/** y[item] = e^x[item] / Σ e^x over the items of the same row, by column. */
KERNEL(segmentSoftmax)(
  const float *x, int32_t ldx, const uint32_t *offsets, float *y, int32_t ldy, int32_t rows, int32_t columns
) {
  EACH_ROW EACH_SPAN(columns) {
    const vector most = largest(x + n, ldx, first, stop, left);
    vector sum = splat(0);
    EACH_ITEM {
      const vector e = exp_of(load_columns(row_of(x, ldx, item) + n, left) - most);
      store_columns(to_row(y, ldy, item) + n, left, e);
      sum += e;
    }
    EACH_ITEM {
      float *to = to_row(y, ldy, item) + n;
      store_columns(to, left, load_columns(to, left) / sum);
    }
  }
}

/** dx[item] (+)= y[item] · (dy[item] - Σ dy · y over the items of the same row), by column. */
KERNEL(segmentSoftmaxGradient)(
  const float *y, int32_t ldy, const uint32_t *offsets, const float *dy, float *dx, int32_t ldx, int32_t rows,
  int32_t columns, int32_t accumulate
) {
  EACH_ROW EACH_SPAN(columns) {
    vector dot = splat(0);
    EACH_ITEM dot += load_columns(row_of(dy, ldy, item) + n, left) * load_columns(row_of(y, ldy, item) + n, left);
    EACH_ITEM {
      const vector d = load_columns(row_of(dy, ldy, item) + n, left) - dot;
      put_columns(
        to_row(dx, ldx, item) + n, left, load_columns(row_of(y, ldy, item) + n, left) * d, accumulate
      );
    }
  }
}

/** y[item] (+)= x[item - by] within the items of the same row; 0 where there is none. */
KERNEL(shiftItems)(
  const float *x, int32_t ldx, const uint32_t *offsets, float *y, int32_t ldy, int32_t rows, int32_t columns,
  int32_t by, int32_t accumulate
) {
  EACH_ROW EACH_ITEM {
    const int64_t other = (int64_t)item - by;
    const int has_other = other >= (int64_t)first && other < (int64_t)stop;
    EACH_SPAN(columns) {
      const vector value = has_other ? load_columns(row_of(x, ldx, (size_t)other) + n, left) : splat(0);
      put_columns(to_row(y, ldy, item) + n, left, value, accumulate);
    }
  }
}

/** y[item] = the number of later items of the same row: 0 for the last. */
KERNEL(itemPosition)(const uint32_t *offsets, float *y, int32_t ldy, int32_t rows) {
  EACH_ROW EACH_ITEM *to_row(y, ldy, item) = (float)(stop - 1 - item);
}
