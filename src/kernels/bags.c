// Bags: any number of weighted rows of a table, pooled into one.

#include "bags.h"

/** `pooling` that divides by the sum of weights; any other divides by the root of the sum of their squares. */
#define POOLING_MEAN 1
/** Vectors of columns that are summed together: a cache line. */
#define TOGETHER (16 / LANES)

/** Turns weights into factors in place: w / Σ w or w / √Σ w²; 0 if the divisor is. Rows are shared among workers. */
KERNEL(poolingFactors)(const uint32_t *bag, const uint32_t *offsets, int32_t pooling, int32_t rows) {
  float *factors = factors_of(bag);
  const size_t end = share_end(rows, 4);
  for (size_t b = share_begin(rows, 4); b < end; b++) {
    double sum = 0, squares = 0;
    for (size_t item = offsets[b]; item < offsets[b + 1]; item++) {
      const double weight = (double)factors[item];
      sum += weight;
      squares += weight * weight;
    }
    const double divisor = pooling == POOLING_MEAN ? sum : __builtin_sqrt(squares);
    const double scale = divisor == 0 ? 0 : 1 / divisor;
    for (size_t item = offsets[b]; item < offsets[b + 1]; item++)
      factors[item] = (float)(scale * (double)factors[item]);
  }
}

/**
 * Sums weighted rows: y[b, 0 … D) = Σ factor · table[id] over the items of row b; fails if an id is not below
 * `tableSize`. Rows are shared among workers.
 */
KERNEL(lookupBags)(
  const uint32_t *bag, const uint32_t *offsets, const float *table, int32_t tableSize, int32_t stride, int32_t width,
  float *y, int32_t ldy, int32_t rows
) {
  const uint32_t *ids = ids_of(bag);
  const float *factors = factors_of(bag);
  const size_t begin = share_begin(rows, 4), end = share_end(rows, 4);
  const uint32_t *last = ids + offsets[end];
  require_below(ids + offsets[begin], last, (uint32_t)tableSize);
#define ROW(id) (table + (id) * (size_t)stride + i)
// Sums `together` vectors of columns in registers.
#define SUM_ITEMS(together, left) \
  { \
    vector s[together]; \
    UNROLL for (size_t v = 0; v < (together); v++) s[v] = splat(0); \
    EACH_ITEM { \
      if (id + AHEAD < last) fetch(ROW(id[AHEAD]), (together) * sizeof(vector)); \
      const vector factor = splat(FACTOR); \
      const float *from = ROW(*id); \
      UNROLL for (size_t v = 0; v < (together); v++) \
        s[v] = multiply_add(factor, load_columns(from + v * LANES, left), s[v]); \
    } \
    UNROLL for (size_t v = 0; v < (together); v++) store_columns(to + i + v * LANES, left, s[v]); \
  }
#define LOOK_UP_BAGS(width) \
  for (size_t b = begin; b < end; b++) { \
    const uint32_t *first = ids + offsets[b], *stop = ids + offsets[b + 1]; \
    float *to = y + b * (size_t)ldy; \
    size_t i = 0; \
    for (; i + TOGETHER * LANES <= (width); i += TOGETHER * LANES) SUM_ITEMS(TOGETHER, LANES) \
    for (; i < FUSED(width); i += LANES) SUM_ITEMS(1, FUSED(width) - i) \
    for (i = FUSED(width); i < (width); i++) { \
      float sum = 0; \
      EACH_ITEM sum += FACTOR * *ROW(*id); \
      to[i] = sum; \
    } \
  }
  BY_WIDTH((size_t)width, LOOK_UP_BAGS)
}

/** Adds factor · from to a row of gradients, or to zeros if it is new. */
INLINE vector add_product(const int is_new, float *to, const float *from, float factor, size_t width, vector seen) {
  EACH_COLUMNS(
    FUSED(width), const vector before = is_new ? splat(0) : load_columns(to + i, left);
    const vector x = multiply_add(splat(factor), load_columns(from + i, left), before);
    store_columns(to + i, left, x);
    seen = look(seen, x);
  )
  for (size_t i = FUSED(width); i < width; i++) {
    to[i] = (is_new ? 0 : to[i]) + factor * from[i];
    seen = look(seen, splat(to[i]));
  }
  return seen;
}

/**
 * Adds the gradients of a bag's items to the distinct rows of their table, item by item, as `gatherGradients` does for
 * a field with one id.
 */
KERNEL(gatherBagGradients)(
  int32_t *claim, const uint32_t *bag, const uint32_t *offsets, const float *d, int32_t ldd, int32_t width,
  uint32_t *hash, uint32_t *distinct, float *gradients, int32_t areas, size_t areaBytes, uint32_t *countAt,
  int32_t rows, int32_t isFirstField, const int32_t *fresh
) {
  if (isFirstField ? !take(claim) : !has()) return;
  const uint32_t *ids = ids_of(bag);
  const float *factors = factors_of(bag);
  distinct_rows known = open_rows(hash, distinct, countAt);
  if (isFirstField && *fresh) clear_rows(&known);
  vector seen = splat(0);
  __attribute__((unused)) const uint32_t *last = ids + offsets[rows];
#define GATHER_BAGS(width) \
  for (size_t b = 0; b < (size_t)rows; b++) { \
    const uint32_t *first = ids + offsets[b], *stop = ids + offsets[b + 1]; \
    const float *from = d + b * (size_t)ldd; \
    EACH_ITEM { \
      if (id + AHEAD < last) PREFETCH(known.hash + hash_of(&known, id[AHEAD])); \
      int is_new; \
      float *to = gradients + number_of(&known, *id, &is_new) * (size_t)(width); \
      if (is_new) { \
        clear_areas(to, (width), (size_t)areas, areaBytes); \
        seen = add_product(1, to, from, FACTOR, (width), seen); \
      } else { \
        seen = add_product(0, to, from, FACTOR, (width), seen); \
      } \
    } \
  }
  BY_WIDTH((size_t)width, GATHER_BAGS)
  keep(seen);
  countAt[0] = known.count;
}
