// Lookup, and gradients of distinct rows, with the results of tables.ts and bags.ts to the bit. Compiled once for each
// family of
// processors. Rows of tables are far apart: each is asked for well before it is read.

#include "kernels.h"
#include "vector.h"

/** Rows that are on their way from memory. */
#define AHEAD 24
#define LINE 64
/** Stands in a place of the hash table that holds nothing. */
#define EMPTY 0xffffffffu
/** Widths that loops are unrolled for. */
#define BY_WIDTH(width, each) \
  switch (width) { \
    case 4: each(4) break; \
    case 8: each(8) break; \
    case 16: each(16) break; \
    case 32: each(32) break; \
    default: each(width) \
  }

INLINE void fetch(const void *at, size_t bytes) {
  for (size_t line = 0; line < bytes; line += LINE) PREFETCH((const char *)at + line);
}

INLINE int are_below(const uint32_t *ids, size_t begin, size_t end, size_t most) {
  size_t above = 0;
  for (size_t i = begin; i < end; i++) above += ids[i] >= most;
  return above == 0;
}

INLINE int are_in_order(const uint32_t *offsets, size_t begin, size_t end) {
  size_t descents = 0;
  for (size_t b = begin; b < end; b++) descents += offsets[b] > offsets[b + 1];
  return descents == 0;
}

int NAME(lookup)(
  const uint32_t *ids, const float *table, size_t most, size_t stride, size_t width, float *y, size_t ldy, size_t begin,
  size_t end
) {
  if (!are_below(ids, begin, end, most)) return 0;
#define LOOK_UP(width) \
  for (size_t b = begin; b < end; b++) { \
    if (b + AHEAD < end) fetch(table + ids[b + AHEAD] * stride, (width) * sizeof(float)); \
    const float *from = table + ids[b] * stride; \
    for (size_t i = 0; i < (width); i += LANES) \
      store_some(y + b * ldy + i, (width) - i, load_some(from + i, (width) - i)); \
  }
  BY_WIDTH(width, LOOK_UP)
  return 1;
}

int NAME(lookup_bags)(
  const uint32_t *ids, const float *factors, const uint32_t *offsets, const float *table, size_t most, size_t stride,
  size_t width, float *y, size_t ldy, size_t begin, size_t end
) {
  const size_t last = offsets[end];
  if (!are_in_order(offsets, begin, end) || !are_below(ids, offsets[begin], last, most)) return 0;
  // What is beyond fours is not fused, in either form.
#define FUSED(width) ((width) / 4 * 4)
#define LOOK_UP_BAGS(width) \
  for (size_t b = begin; b < end; b++) { \
    const size_t first = offsets[b], stop = offsets[b + 1]; \
    float *to = y + b * ldy; \
    for (size_t i = 0; i < FUSED(width); i += LANES) { \
      vector sum = splat(0); \
      for (size_t item = first; item < stop; item++) { \
        if (item + AHEAD < last) PREFETCH(table + ids[item + AHEAD] * stride + i); \
        sum = multiply_add(splat(factors[item]), load_some(table + ids[item] * stride + i, FUSED(width) - i), sum); \
      } \
      store_some(to + i, FUSED(width) - i, sum); \
    } \
    for (size_t i = FUSED(width); i < (width); i++) { \
      float sum = 0; \
      for (size_t item = first; item < stop; item++) sum += factors[item] * table[ids[item] * stride + i]; \
      to[i] = sum; \
    } \
  }
  BY_WIDTH(width, LOOK_UP_BAGS)
  return 1;
}

/** The distinct rows of a table so far, and how they are found: a power of two of places, at most half full. */
typedef struct {
  uint32_t *hash, *distinct;
  uint32_t mask, shift, keys, count;
} distinct_rows;

INLINE distinct_rows open_rows(uint32_t *hash, uint32_t *distinct, const uint32_t *count_at, int is_fresh) {
  const uint32_t keys = count_at[2], least = keys > 0 ? 2 * keys : 2, shift = (uint32_t)__builtin_clz(least - 1);
  const uint32_t mask = (uint32_t)(((uint64_t)1 << (32 - shift)) - 1);
  if (is_fresh) memset(hash, 0xff, ((size_t)mask + 1) * sizeof *hash);
  return (distinct_rows){hash, distinct, mask, shift, keys, is_fresh ? 0 : count_at[0]};
}

/** Where a row is known, or the empty place where it belongs. */
INLINE uint32_t *place_of(const distinct_rows *rows, uint32_t row) {
  uint32_t h = (row * 0x9e3779b1u) >> rows->shift;
  uint32_t slot = rows->hash[h];
  while (slot != EMPTY && rows->distinct[slot] != row) {
    h = (h + 1) & rows->mask;
    slot = rows->hash[h];
  }
  return rows->hash + h;
}

/** Rows that are found before the first of their gradients is added: those are on their way meanwhile. */
#define FOUND 64

/**
 * The numbers of rows in `slots`, and whether each was met here first in `news`; 0 where there are more than there is
 * room for.
 */
INLINE int find_rows(
  distinct_rows *known, const uint32_t *ids, size_t count, const float *gradients, size_t width, uint32_t *slots,
  int32_t *news
) {
  for (size_t r = 0; r < count; r++) PREFETCH(known->hash + ((ids[r] * 0x9e3779b1u) >> known->shift));
  // Whether a row is new nobody can foresee: nothing branches on it but the search.
  for (size_t r = 0; r < count; r++) {
    uint32_t *place = place_of(known, ids[r]);
    const int32_t is_new = *place == EMPTY;
    if (is_new & (known->count == known->keys)) return 0;
    const uint32_t slot = is_new ? known->count : *place;
    known->count += (uint32_t)is_new;
    *place = slot;
    known->distinct[slot] = ids[r];
    slots[r] = slot;
    news[r] = is_new;
    fetch(gradients + slot * width, width * sizeof(float));
  }
  return 1;
}

/** Zeros in the areas behind the first, for a row that is new. */
INLINE void clear_areas(float *to, size_t width, size_t areas, size_t area_floats) {
  for (size_t area = 1; area < areas; area++) memset(to + area * area_floats, 0, width * sizeof(float));
}

/** In the place of what is new: -0, which leaves what is added to it as it is, or another number. */
INLINE vector unless_new(vector x, int32_t is_new, float other) {
  const bits all = {0}, news = all - is_new;
  return (vector)(((bits)x & ~news) | ((bits)splat(other) & news));
}

int NAME(gather)(
  const uint32_t *ids, const float *d, size_t ldd, size_t width, uint32_t *hash, uint32_t *distinct, float *gradients,
  size_t areas, size_t area_floats, uint32_t *count_at, size_t rows, int is_fresh
) {
  distinct_rows known = open_rows(hash, distinct, count_at, is_fresh);
  uint32_t slots[FOUND];
  int32_t news[FOUND];
  vector seen = splat(0);
#define GATHER(width) \
  for (size_t first = 0; first < rows; first += FOUND) { \
    const size_t count = rows - first < FOUND ? rows - first : FOUND; \
    if (!find_rows(&known, ids + first, count, gradients, (width), slots, news)) return ROWS_TOO_MANY; \
    for (size_t r = 0; r < count; r++) { \
      const float *from = d + (first + r) * ldd; \
      if (first + r + AHEAD < rows) fetch(from + AHEAD * ldd, (width) * sizeof(float)); \
      float *to = gradients + slots[r] * (width); \
      if (areas > 1 && news[r]) clear_areas(to, (width), areas, area_floats); \
      for (size_t i = 0; i < (width); i += LANES) { \
        const vector sum = \
          unless_new(load_some(to + i, (width) - i), news[r], -0.0f) + load_some(from + i, (width) - i); \
        store_some(to + i, (width) - i, sum); \
        seen = look(seen, sum); \
      } \
    } \
  }
  BY_WIDTH(width, GATHER)
  count_at[0] = known.count;
  return saw_finite(seen) ? ROWS_FINE : ROWS_NOT_FINITE;
}

int NAME(gather_bags)(
  const uint32_t *ids, const float *factors, const uint32_t *offsets, const float *d, size_t ldd, size_t width,
  uint32_t *hash, uint32_t *distinct, float *gradients, size_t areas, size_t area_floats, uint32_t *count_at,
  size_t rows, int is_fresh
) {
  if (!are_in_order(offsets, 0, rows)) return ROWS_TOO_MANY;
  distinct_rows known = open_rows(hash, distinct, count_at, is_fresh);
  uint32_t slots[FOUND];
  int32_t news[FOUND];
  vector seen = splat(0);
  const size_t last = offsets[rows];
  size_t b = 0;
#define GATHER_BAGS(width) \
  for (size_t first = offsets[0]; first < last; first += FOUND) { \
    const size_t count = last - first < FOUND ? last - first : FOUND; \
    for (size_t r = b; r < rows && offsets[r] < first + count; r++) fetch(d + r * ldd, (width) * sizeof(float)); \
    if (!find_rows(&known, ids + first, count, gradients, (width), slots, news)) return ROWS_TOO_MANY; \
    for (size_t item = first; item < first + count; item++) { \
      while (offsets[b + 1] <= item) b++; \
      const float *from = d + b * ldd; \
      float *to = gradients + slots[item - first] * (width); \
      const int32_t is_new = news[item - first]; \
      if (areas > 1 && is_new) clear_areas(to, (width), areas, area_floats); \
      for (size_t i = 0; i < FUSED(width); i += LANES) { \
        const vector before = unless_new(load_some(to + i, FUSED(width) - i), is_new, 0); \
        const vector sum = multiply_add(splat(factors[item]), load_some(from + i, FUSED(width) - i), before); \
        store_some(to + i, FUSED(width) - i, sum); \
        seen = look(seen, sum); \
      } \
      for (size_t i = FUSED(width); i < (width); i++) { \
        to[i] = (is_new ? 0 : to[i]) + factors[item] * from[i]; \
        seen = look(seen, splat(to[i])); \
      } \
    } \
  }
  BY_WIDTH(width, GATHER_BAGS)
  count_at[0] = known.count;
  return saw_finite(seen) ? ROWS_FINE : ROWS_NOT_FINITE;
}
