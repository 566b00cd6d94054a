// Attention of the items of a row of the batch over those of the same row (Vaswani et al. 2017, eq. 1), in heads of
// consecutive columns: y_i = Σ_j p_ij v_j with p_ij = e^(s_ij - l_i), s_ij = <q_i, k_j> / √d and l_i = log Σ_j e^s_ij.
// Memory grows with items, not with pairs of them: l is stored, and the gradient computes p again (Dao et al. 2022).
//
// Workers share the rows of the batch. The scores of a query are computed for as many keys at a time as a vector has
// lanes, from keys that are stored by column. Sums are over columns, keys and queries one by one, or by fours, so that
// they have one order in every family.

#include "math.h"

/** The numbers of an item in `work`: a key and a value by column, a weight and its gradient. */
#define WORK(width) (2 * (width) + 2)
/** The numbers of an item and head in `statistics`: l_i and <dy_i, y_i>. */
#define STATISTICS 2

/** One head of the items of a row: matrices of `items` rows and `width` columns, and the memory to work in. */
typedef struct {
  size_t items, width;
  float scale;
  float *keys, *values, *weights, *slopes;
} head;

INLINE head head_of(float *work, size_t first, size_t items, size_t width) {
  float *keys = work + first * WORK(width), *values = keys + items * width, *weights = values + items * width;
  return (head){items, width, 1 / __builtin_sqrtf((float)width), keys, values, weights, weights + items};
}

/** Stores the rows of a matrix by column. */
INLINE void by_column(const head *h, const float *x, size_t ld, float *to) {
  for (size_t item = 0; item < h->items; item++)
    for (size_t n = 0; n < h->width; n++) to[n * h->items + item] = x[item * ld + n];
}

/** to[j] = scale · <x, j-th item>, for as many items, which are stored by column. */
INLINE void products(const head *h, const float *x, const float *columns, size_t items, float scale, float *to) {
  EACH_SPAN(items) {
    vector sum = splat(0);
    for (size_t c = 0; c < h->width; c++)
      sum = multiply_add(splat(x[c]), load_some(columns + c * h->items + n, left), sum);
    store_some(to + n, left, splat(scale) * sum);
  }
}

/** Σ weights[j] · x[j], for the columns that are left. */
INLINE vector weighted(const float *weights, const float *x, size_t ld, size_t items, size_t left) {
  vector even = splat(0), odd = splat(0);
  size_t j = 0;
  for (; j + 2 <= items; j += 2) {
    even = multiply_add(splat(weights[j]), load_some(x + j * ld, left), even);
    odd = multiply_add(splat(weights[j + 1]), load_some(x + (j + 1) * ld, left), odd);
  }
  if (j < items) even = multiply_add(splat(weights[j]), load_some(x + j * ld, left), even);
  return even + odd;
}

/** to += factor · x */
INLINE void add_scaled(float factor, const float *x, size_t width, float *to) {
  EACH_SPAN(width) store_some(to + n, left, multiply_add(splat(factor), load_some(x + n, left), load_some(to + n, left)));
}

/** <x, y> */
INLINE float dot(const float *x, const float *y, size_t width) {
  four sum = splat_four(0);
  for (size_t n = 0; n < width; n += 4)
    sum = multiply_add_four(load_four(x + n, width - n), load_four(y + n, width - n), sum);
  return sum_of_four(sum);
}

/** Replaces scores by e^(score - the largest); returns the sum of these, and the largest. */
INLINE float powers(float *scores, size_t items, float *largest) {
  const vector lowest = splat(-__builtin_inff());
  vector most = lowest;
  EACH_SPAN(items)
    most = max_of(most, select_of(first_lanes((int32_t)left), load_some(scores + n, left), lowest));
  *largest = largest_of(most);
  four sum = splat_four(0);
  EACH_SPAN(items) {
    const vector e = exp_of(load_some(scores + n, left) - splat(*largest));
    store_some(scores + n, left, e);
    sum = add_fours(sum, select_of(first_lanes((int32_t)left), e, splat(0)));
  }
  return sum_of_four(sum);
}

/**
 * y_i = Σ_j p_ij v_j over the items j of the same row, up to i if `isCausal`; l_i is stored in `statistics`.
 * @param width columns of all heads
 * @param work memory for `WORK` of a head's columns, per item
 */
KERNEL(segmentAttention)(
  const float *query, int32_t ldquery, const float *key, int32_t ldkey, const float *value, int32_t ldvalue,
  const uint32_t *offsets, float *y, int32_t ldy, float *statistics, float *work, int32_t rows, int32_t width,
  int32_t heads, int32_t isCausal
) {
  const size_t ldq = (size_t)ldquery, ldk = (size_t)ldkey, ldv = (size_t)ldvalue, to = (size_t)ldy;
  const size_t columns = (size_t)(width / heads), all = (size_t)heads;
  for (int32_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) {
    const size_t first = offsets[b];
    const head h = head_of(work, first, offsets[b + 1] - first, columns);
    for (size_t each = 0; each < all; each++) {
      const size_t at = each * columns;
      const float *q = query + first * ldq + at, *v = value + first * ldv + at;
      by_column(&h, key + first * ldk + at, ldk, h.keys);
      for (size_t i = 0; i < h.items; i++) {
        const size_t items = isCausal ? i + 1 : h.items;
        products(&h, q + i * ldq, h.keys, items, h.scale, h.weights);
        float largest;
        const float sum = powers(h.weights, items, &largest);
        statistics[((first + i) * all + each) * STATISTICS] = (float)((double)largest + log_double((double)sum));
        EACH_SPAN(columns)
          store_some(y + (first + i) * to + at + n, left, weighted(h.weights, v + n, ldv, items, left) / splat(sum));
      }
    }
  }
}

/** Replaces scores s_ij by p_ij, and <dy_i, v_j> by the gradients p_ij (<dy_i, v_j> - <dy_i, y_i>) / √d of products. */
INLINE void slopes(const head *h, size_t items, float sum, float dot) {
  EACH_SPAN(items) {
    const vector p = exp_of(load_some(h->weights + n, left) - splat(sum));
    store_some(h->weights + n, left, p);
    store_some(h->slopes + n, left, p * (load_some(h->slopes + n, left) - splat(dot)) * splat(h->scale));
  }
}

/** Sets rows of a matrix to 0, unless a gradient is added to them. */
INLINE void clear_unless(int32_t accumulate, float *x, size_t ld, size_t items, size_t width) {
  if (!accumulate) for (size_t item = 0; item < items; item++) memset(x + item * ld, 0, width * sizeof *x);
}

/**
 * The gradients of queries, keys and values; those of products are p_ij (<dy_i, v_j> - <dy_i, y_i>) / √d.
 * @param accumulate bits: 1 adds to the gradient of queries, 2 to that of keys, and 4 to that of values
 */
KERNEL(segmentAttentionGradient)(
  const float *query, int32_t ldquery, const float *key, int32_t ldkey, const float *value, int32_t ldvalue,
  const uint32_t *offsets, const float *y, int32_t ldy, const float *dy, float *statistics, float *work,
  float *dquery, float *dkey, float *dvalue, int32_t rows, int32_t width, int32_t heads, int32_t isCausal,
  int32_t accumulate
) {
  const size_t ldq = (size_t)ldquery, ldk = (size_t)ldkey, ldv = (size_t)ldvalue, from = (size_t)ldy;
  const size_t columns = (size_t)(width / heads), all = (size_t)heads;
  for (int32_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) {
    const size_t first = offsets[b];
    const head h = head_of(work, first, offsets[b + 1] - first, columns);
    // They may be gradients of one value.
    clear_unless(accumulate & 1, dquery + first * ldq, ldq, h.items, (size_t)width);
    clear_unless(accumulate & 2, dkey + first * ldk, ldk, h.items, (size_t)width);
    clear_unless(accumulate & 4, dvalue + first * ldv, ldv, h.items, (size_t)width);
    for (size_t each = 0; each < all; each++) {
      const size_t at = each * columns;
      const float *k = key + first * ldk + at;
      float *dk = dkey + first * ldk + at, *dv = dvalue + first * ldv + at;
      by_column(&h, k, ldk, h.keys);
      by_column(&h, value + first * ldv + at, ldv, h.values);
      for (size_t i = 0; i < h.items; i++) {
        const size_t items = isCausal ? i + 1 : h.items;
        const float *q = query + (first + i) * ldq + at, *d = dy + (first + i) * from + at;
        float *dq = dquery + (first + i) * ldq + at, *own = statistics + ((first + i) * all + each) * STATISTICS;
        own[1] = dot(d, y + (first + i) * from + at, columns);
        products(&h, q, h.keys, items, h.scale, h.weights);
        products(&h, d, h.values, items, 1, h.slopes);
        slopes(&h, items, own[0], own[1]);
        EACH_SPAN(columns)
          store_some(dq + n, left, load_some(dq + n, left) + weighted(h.slopes, k + n, ldk, items, left));
        for (size_t j = 0; j < items; j++) {
          add_scaled(h.slopes[j], q, columns, dk + j * ldk);
          add_scaled(h.weights[j], d, columns, dv + j * ldv);
        }
      }
    }
  }
}
