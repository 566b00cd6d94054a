// Attention of the items of a row of the batch to those of the same row (Vaswani et al. 2017, eq. 1), in heads of
// consecutive columns: y_i = Σ_j p_ij v_j with p_ij = e^(s_ij - l_i), s_ij = <q_i, k_j> / √d and l_i = log Σ_j e^s_ij.
// Memory grows with items, not with pairs of them: l is stored, and the gradient computes p again (Dao et al. 2022).
//
// Workers share the rows of the batch. Some queries at a time read each key. Their scores are computed for as many keys
// as a vector has lanes, from keys that are stored by column. Sums are over columns, keys and queries one by one, or by
// fours, so that they have one order in every family.

#include "math.h"

/** Queries that are computed together; if a row has fewer left, the others repeat its last with weights of 0. */
#define QUERIES 4
#define EACH_QUERY UNROLL for (size_t r = 0; r < QUERIES; r++)
/** The numbers of an item in `work`: a key and a value by column, and a weight and its gradient for each query. */
#define WORK(width) (2 * (width) + 2 * QUERIES)
/** The numbers of an item and head in `statistics`: l_i and <dy_i, y_i>. */
#define STATISTICS 2

/** One head of the items of a row: matrices of `items` rows and `width` columns, and the memory to work in. */
typedef struct {
  size_t items, width;
  float scale;
  int32_t is_causal;
  float *keys, *values, *weights, *slopes;
} head;
/** Queries from `first` on: `count` of them, which attend to `items` or fewer. */
typedef struct {
  size_t first, count, items;
} queries;

INLINE head head_of(float *work, size_t first, size_t items, int32_t width, int32_t is_causal) {
  const size_t size = items * (size_t)width;
  float *keys = work + first * WORK((size_t)width), *weights = keys + 2 * size;
  const float scale = 1 / __builtin_sqrtf((float)width);
  return (head){items, (size_t)width, scale, is_causal, keys, keys + size, weights, weights + QUERIES * items};
}
INLINE queries queries_of(const head *h, size_t first) {
  const size_t left = h->items - first, count = left < QUERIES ? left : QUERIES;
  return (queries){first, count, h->is_causal ? first + count : h->items};
}
/** The item of a query, and the items that it attends to. */
INLINE size_t item_of(queries of, size_t r) { return of.first + (r < of.count ? r : of.count - 1); }
INLINE size_t seen_by(const head *h, queries of, size_t r) {
  return r >= of.count ? 0 : h->is_causal ? of.first + r + 1 : h->items;
}

/** Stores the rows of a matrix by column. */
INLINE void by_column(const head *h, const float *x, size_t ld, float *to) {
  ROLLED for (size_t item = 0; item < h->items; item++)
    ROLLED for (size_t n = 0; n < h->width; n++) to[n * h->items + item] = x[item * ld + n];
}

/** to[r][j] = scale · <x_r, j-th item>, for the items of a vector, which are stored by column. */
INLINE void products(
  const head *h, const float *const x[QUERIES], const float *items, size_t left, float scale, float *to
) {
  vector sums[QUERIES];
  EACH_QUERY sums[r] = splat(0);
  ROLLED for (size_t n = 0; n < h->width; n++) {
    const vector column = load_some(items + n * h->items, left);
    EACH_QUERY sums[r] = multiply_add(splat(x[r][n]), column, sums[r]);
  }
  EACH_QUERY store_some(to + r * h->items, left, splat(scale) * sums[r]);
}

/** sums[r] = Σ_j weights[r][j] · x_j, for a vector of columns. */
INLINE void weighted(
  const head *h, queries of, const float *weights, const float *x, size_t ld, size_t left, vector sums[QUERIES]
) {
  EACH_QUERY sums[r] = splat(0);
  ROLLED for (size_t j = 0; j < of.items; j++) {
    const vector columns = load_some(x + j * ld, left);
    EACH_QUERY sums[r] = multiply_add(splat(weights[r * h->items + j]), columns, sums[r]);
  }
}

/** to_j += Σ_r weights[r][j] · x_r, for a vector of columns. */
INLINE void add_weighted(
  const head *h, queries of, const float *weights, const float *const x[QUERIES], size_t n, size_t left, float *to,
  size_t ld
) {
  vector own[QUERIES];
  EACH_QUERY own[r] = load_some(x[r] + n, left);
  ROLLED for (size_t j = 0; j < of.items; j++) {
    vector sum = load_some(to + j * ld + n, left);
    EACH_QUERY sum = multiply_add(splat(weights[r * h->items + j]), own[r], sum);
    store_some(to + j * ld + n, left, sum);
  }
}

/** <x, y> */
INLINE float dot(const float *x, const float *y, size_t width) {
  four sum = splat_four(0);
  ROLLED for (size_t n = 0; n < width; n += 4)
    sum = multiply_add_four(load_four(x + n, width - n), load_four(y + n, width - n), sum);
  return sum_of_four(sum);
}

/** Returns the vector of a query's numbers, with those beyond `seen` replaced. */
INLINE vector seen_of(vector x, size_t n, size_t seen, float other) {
  return select_of(first_lanes((int32_t)seen - (int32_t)n), x, splat(other));
}

/** Replaces the scores of a query by e^(score - the largest), or 0 for items that it does not attend to. */
INLINE float powers(queries of, size_t seen, float *scores, float *largest) {
  vector most = splat(-__builtin_inff());
  EACH_SPAN(of.items) most = max_of(most, seen_of(load_some(scores + n, left), n, seen, -__builtin_inff()));
  *largest = largest_of(most);
  four sum = splat_four(0);
  EACH_SPAN(of.items) {
    const vector e = seen_of(exp_of(load_some(scores + n, left) - splat(*largest)), n, seen, 0);
    store_some(scores + n, left, e);
    sum = add_fours(sum, e);
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
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) {
    const size_t first = offsets[b];
    const head h = head_of(work, first, offsets[b + 1] - first, width / heads, isCausal);
    for (size_t at = 0; at < (size_t)width; at += h.width) {
      const float *q = query + first * ldq + at, *v = value + first * ldv + at;
      float *own = statistics + (first * (size_t)heads + at / h.width) * STATISTICS, *out = y + first * to + at;
      by_column(&h, key + first * ldk + at, ldk, h.keys);
      for (size_t from = 0; from < h.items; from += QUERIES) {
        const queries of = queries_of(&h, from);
        const float *x[QUERIES];
        float sums[QUERIES], largest;
        EACH_QUERY x[r] = q + item_of(of, r) * ldq;
        EACH_COLUMNS(of.items, products(&h, x, h.keys + i, left, h.scale, h.weights + i);)
        ROLLED for (size_t r = 0; r < QUERIES; r++) {
          sums[r] = powers(of, seen_by(&h, of, r), h.weights + r * h.items, &largest);
          if (r < of.count)
            own[(from + r) * (size_t)heads * STATISTICS] = (float)((double)largest + log_double((double)sums[r]));
        }
        EACH_COLUMNS(h.width, {
          vector all[QUERIES];
          weighted(&h, of, h.weights, v + i, ldv, left, all);
          EACH_QUERY if (r < of.count) store_some(out + (from + r) * to + i, left, all[r] / splat(sums[r]));
        })
      }
    }
  }
}

/** Replaces scores s_ij by p_ij, and <dy_i, v_j> by the gradients p_ij (<dy_i, v_j> - <dy_i, y_i>) / √d of products. */
INLINE void slopes(const head *h, queries of, size_t r, const float *own) {
  float *weights = h->weights + r * h->items, *to = h->slopes + r * h->items;
  EACH_SPAN(of.items) {
    const vector p = seen_of(exp_of(load_some(weights + n, left) - splat(own[0])), n, seen_by(h, of, r), 0);
    store_some(weights + n, left, p);
    store_some(to + n, left, p * (load_some(to + n, left) - splat(own[1])) * splat(h->scale));
  }
}

/** Sets rows of a matrix to 0, unless a gradient is added to them. */
INLINE void clear_unless(int32_t accumulate, float *x, size_t ld, size_t items, size_t width) {
  if (!accumulate) ROLLED for (size_t item = 0; item < items; item++) memset(x + item * ld, 0, width * sizeof *x);
}

/**
 * The gradients of queries, keys and values, from l_i; <dy_i, y_i> is stored in `statistics` as well.
 * @param accumulate bits: 1 adds to the gradient of queries, 2 to that of keys, and 4 to that of values
 */
KERNEL(segmentAttentionGradient)(
  const float *query, int32_t ldquery, const float *key, int32_t ldkey, const float *value, int32_t ldvalue,
  const uint32_t *offsets, const float *y, int32_t ldy, const float *dy, float *statistics, float *work,
  float *dquery, float *dkey, float *dvalue, int32_t rows, int32_t width, int32_t heads, int32_t isCausal,
  int32_t accumulate
) {
  const size_t ldq = (size_t)ldquery, ldk = (size_t)ldkey, ldv = (size_t)ldvalue, ldd = (size_t)ldy;
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) {
    const size_t first = offsets[b];
    const head h = head_of(work, first, offsets[b + 1] - first, width / heads, isCausal);
    // They may be gradients of one value.
    clear_unless(accumulate & 1, dquery + first * ldq, ldq, h.items, (size_t)width);
    clear_unless(accumulate & 2, dkey + first * ldk, ldk, h.items, (size_t)width);
    clear_unless(accumulate & 4, dvalue + first * ldv, ldv, h.items, (size_t)width);
    for (size_t at = 0; at < (size_t)width; at += h.width) {
      const float *q = query + first * ldq + at, *k = key + first * ldk + at, *d = dy + first * ldd + at;
      float *dq = dquery + first * ldq + at, *dk = dkey + first * ldk + at, *dv = dvalue + first * ldv + at;
      by_column(&h, k, ldk, h.keys);
      by_column(&h, value + first * ldv + at, ldv, h.values);
      for (size_t from = 0; from < h.items; from += QUERIES) {
        const queries of = queries_of(&h, from);
        const float *x[QUERIES], *g[QUERIES];
        EACH_QUERY {
          x[r] = q + item_of(of, r) * ldq;
          g[r] = d + item_of(of, r) * ldd;
        }
        EACH_COLUMNS(of.items, {
          products(&h, x, h.keys + i, left, h.scale, h.weights + i);
          products(&h, g, h.values + i, left, 1, h.slopes + i);
        })
        ROLLED for (size_t r = 0; r < QUERIES; r++) {
          const size_t item = first + item_of(of, r);
          float *own = statistics + (item * (size_t)heads + at / h.width) * STATISTICS;
          own[1] = dot(g[r], y + item * ldd + at, h.width);
          slopes(&h, of, r, own);
        }
        EACH_COLUMNS(h.width, {
          vector all[QUERIES];
          weighted(&h, of, h.slopes, k + i, ldk, left, all);
          EACH_QUERY if (r < of.count) {
            float *to = dq + (from + r) * ldq + i;
            store_some(to, left, load_some(to, left) + all[r]);
          }
          add_weighted(&h, of, h.slopes, x, i, left, dk, ldk);
          add_weighted(&h, of, h.weights, g, i, left, dv, ldv);
        })
      }
    }
  }
}
