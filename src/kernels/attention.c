// Attention of the items of a row of the batch to those of the same row, in heads of consecutive columns:
// y_i = Σ_j p_ij v_j. A softmax has p_ij = e^(s_ij - l_i), s_ij = <q_i, k_j> / √d and l_i = log Σ_j e^s_ij (Vaswani et
// al. 2017, eq. 1). Pointwise weights are p_ij = SiLU(s_ij) / n_i, s_ij = <q_i, k_j> + b_ij, for n_i items j (Zhai et al.
// 2024, eq. 2). b_ij is a sum of two trained numbers: one by the distance i - j, one by the octave of the difference of
// ages. Memory grows with items, not with pairs of them: l is stored, and the gradient computes p again (Dao et al.
// 2022).
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
  int32_t is_causal, is_pointwise;
  float *keys, *values, *weights, *slopes;
} head;
/** Numbers that are added to scores: `distances` (twice without 0, if not causal), then `octaves` of ages. */
typedef struct {
  const float *by_distance, *by_octave, *ages;
  size_t ldages;
  int32_t distances, octaves, first;
} biases;
/** Queries from `first` on: `count` of them, which attend to `items` or fewer. */
typedef struct {
  size_t first, count, items;
} queries;

INLINE head head_of(
  float *work, size_t first, size_t items, int32_t width, int32_t is_causal, int32_t is_pointwise
) {
  const size_t size = items * (size_t)width;
  float *keys = work + first * WORK((size_t)width), *weights = keys + 2 * size;
  const float scale = is_pointwise ? 1 : 1 / __builtin_sqrtf((float)width);
  return (head){
    items, (size_t)width, scale, is_causal, is_pointwise, keys, keys + size, weights, weights + QUERIES * items
  };
}
INLINE biases biases_of(
  const float *bias, int32_t distances, int32_t octaves, const float *ages, int32_t ldages, int32_t is_causal
) {
  const int32_t first = is_causal || distances == 0 ? 0 : distances - 1;
  return (biases){bias, bias + first + distances, ages, (size_t)ldages, distances, octaves, first};
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

/** Index of the bias of a distance from a query back to a key. */
INLINE size_t distance_of(const biases *b, size_t query, size_t key) {
  const int32_t distance = (int32_t)query - (int32_t)key, most = b->distances - 1;
  const int32_t near = distance > most ? most : distance < -most ? -most : distance;
  return (size_t)(near + b->first);
}
/** Index of the bias of two ages: the octave of 1 + their difference, which is the exponent of that float. */
INLINE size_t octave_of(const biases *b, float age, float other) {
  const float next = 1 + __builtin_fabsf(age - other);
  int32_t bits;
  memcpy(&bits, &next, sizeof bits);
  const int32_t octave = (bits >> 23 & 0xff) - 127, most = b->octaves - 1;
  return (size_t)(octave > most ? most : octave);
}

/** Adds biases to the scores of a query. */
INLINE void add_biases(const biases *b, size_t first, size_t query, size_t seen, float *scores) {
  if (b->distances > 0) ROLLED for (size_t j = 0; j < seen; j++) scores[j] += b->by_distance[distance_of(b, query, j)];
  if (b->octaves == 0) return;
  const float *ages = b->ages + first * b->ldages, own = ages[query * b->ldages];
  ROLLED for (size_t j = 0; j < seen; j++) scores[j] += b->by_octave[octave_of(b, own, ages[j * b->ldages])];
}
/** Adds the gradients of a query's scores to those of the biases. */
INLINE void add_bias_gradients(
  const biases *b, size_t first, size_t query, size_t seen, const float *slopes, float *to
) {
  if (b->distances > 0) ROLLED for (size_t j = 0; j < seen; j++) to[distance_of(b, query, j)] += slopes[j];
  if (b->octaves == 0) return;
  const float *ages = b->ages + first * b->ldages, own = ages[query * b->ldages];
  float *by_octave = to + (b->by_octave - b->by_distance);
  ROLLED for (size_t j = 0; j < seen; j++) by_octave[octave_of(b, own, ages[j * b->ldages])] += slopes[j];
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

/** Replaces the scores of a query by SiLU(score), or 0 for items that it does not attend to; returns their number. */
INLINE float pointwise(queries of, size_t seen, float *scores) {
  EACH_SPAN(of.items) {
    const vector s = load_some(scores + n, left);
    store_some(scores + n, left, seen_of(s * sigmoid_of(s), n, seen, 0));
  }
  return (float)(seen > 0 ? seen : 1);
}

/**
 * y_i = Σ_j p_ij v_j over the items j of the same row, up to i if `isCausal`; l_i is stored in `statistics`.
 * @param width columns of all heads
 * @param work memory for `WORK` of a head's columns, per item
 * @param bias numbers that pointwise weights add to scores, by distance, then by octave; unused if there are none
 * @param ages of the items, if there are octaves
 */
KERNEL(segmentAttention)(
  const float *query, int32_t ldquery, const float *key, int32_t ldkey, const float *value, int32_t ldvalue,
  const uint32_t *offsets, float *y, int32_t ldy, float *statistics, float *work, int32_t rows, int32_t width,
  int32_t heads, int32_t isCausal, int32_t isPointwise, const float *bias, int32_t distances, int32_t octaves,
  const float *ages, int32_t ldages
) {
  const biases added = biases_of(bias, distances, octaves, ages, ldages, isCausal);
  const size_t ldq = (size_t)ldquery, ldk = (size_t)ldkey, ldv = (size_t)ldvalue, to = (size_t)ldy;
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) {
    const size_t first = offsets[b];
    const head h = head_of(work, first, offsets[b + 1] - first, width / heads, isCausal, isPointwise);
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
          const size_t seen = seen_by(&h, of, r);
          float *scores = h.weights + r * h.items;
          if (isPointwise) {
            add_biases(&added, first, item_of(of, r), seen, scores);
            sums[r] = pointwise(of, seen, scores);
            continue;
          }
          sums[r] = powers(of, seen, scores, &largest);
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

/**
 * Replaces scores s_ij by p_ij = SiLU(s_ij) / n_i, and <dy_i, v_j> by the gradients of scores, with the slope
 * σ(s) (1 + s (1 - σ(s))).
 */
INLINE void pointwise_slopes(queries of, size_t seen, float *scores, float *to) {
  const vector share = splat(1 / (float)(seen > 0 ? seen : 1));
  EACH_SPAN(of.items) {
    const vector s = load_some(scores + n, left), gate = sigmoid_of(s),
                 slope = gate * (splat(1) + s * (splat(1) - gate));
    store_some(scores + n, left, seen_of(s * gate * share, n, seen, 0));
    store_some(to + n, left, seen_of(load_some(to + n, left) * slope * share, n, seen, 0));
  }
}

/** Sets rows of a matrix to 0, unless a gradient is added to them. */
INLINE void clear_unless(int32_t accumulate, float *x, size_t ld, size_t items, size_t width) {
  if (!accumulate) ROLLED for (size_t item = 0; item < items; item++) memset(x + item * ld, 0, width * sizeof *x);
}

/**
 * The gradients of queries, keys and values, from l_i; <dy_i, y_i> is stored in `statistics` as well. Those of biases
 * are sums over the items of a row of the batch.
 * @param dbias a row of columns for each row of the batch, if there are biases
 * @param accumulate bits: 1 adds to the gradient of queries, 2 to that of keys, and 4 to that of values
 */
KERNEL(segmentAttentionGradient)(
  const float *query, int32_t ldquery, const float *key, int32_t ldkey, const float *value, int32_t ldvalue,
  const uint32_t *offsets, const float *y, int32_t ldy, const float *dy, float *statistics, float *work,
  float *dquery, float *dkey, float *dvalue, int32_t rows, int32_t width, int32_t heads, int32_t isCausal,
  int32_t isPointwise, const float *bias, int32_t distances, int32_t octaves, const float *ages, int32_t ldages,
  float *dbias, int32_t lddbias, int32_t accumulate
) {
  const biases added = biases_of(bias, distances, octaves, ages, ldages, isCausal);
  const size_t ldq = (size_t)ldquery, ldk = (size_t)ldkey, ldv = (size_t)ldvalue, ldd = (size_t)ldy;
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) {
    const size_t first = offsets[b];
    const head h = head_of(work, first, offsets[b + 1] - first, width / heads, isCausal, isPointwise);
    float *sums = dbias + b * (size_t)lddbias;
    if (distances + octaves > 0) memset(sums, 0, (size_t)lddbias * sizeof *sums);
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
          if (isPointwise) {
            const size_t seen = seen_by(&h, of, r);
            float *scores = h.weights + r * h.items, *to = h.slopes + r * h.items;
            add_biases(&added, first, item_of(of, r), seen, scores);
            pointwise_slopes(of, seen, scores, to);
            add_bias_gradients(&added, first, item_of(of, r), seen, to, sums);
            continue;
          }
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
