// Embedding tables: lookup, and gradients of distinct rows. A row of a table is stored with its optimizer state,
// `stride` floats in all, so that a visit touches one page of memory.

#include "tables.h"

/**
 * Copies rows: y[b, 0 … D) = table[ids[b]]; fails if an id is not below `tableSize`. Rows are shared among workers.
 */
KERNEL(lookup)(
  const uint32_t *ids, const float *table, int32_t tableSize, int32_t stride, int32_t width, float *y, int32_t ldy,
  int32_t rows
) {
  const size_t begin = (size_t)share_begin(rows, 4), end = (size_t)share_end(rows, 4);
  require_below(ids + begin, ids + end, (uint32_t)tableSize);
#define LOOK_UP(width) \
  for (size_t b = begin; b < end; b++) { \
    if (b + AHEAD < end) fetch(table + ids[b + AHEAD] * (size_t)stride, (width) * sizeof *table); \
    const float *from = table + ids[b] * (size_t)stride; \
    float *to = y + b * (size_t)ldy; \
    const float *stop = from + (width) / LANES * LANES; \
    for (; from < stop; from += LANES, to += LANES) store_some(to, LANES, load_some(from, LANES)); \
    if ((width) % LANES) store_some(to, (width) % LANES, load_some(from, (width) % LANES)); \
  }
  BY_WIDTH((size_t)width, LOOK_UP)
}

/**
 * Adds a field's gradients to the distinct rows of its table; the worker that takes the table does all of it.
 * @param claim of the table
 * @param hash as many words as a power of two from twice the keys on
 * @param distinct the distinct rows
 * @param gradients of them; the first id of a row clears it in the `areas - 1` areas that follow, `areaBytes` apart
 * @param countAt the number of distinct rows, one free word, and their maximum number in this batch (keys)
 * @param fresh 1 if the first field begins a new sum; otherwise it adds to that of another batch
 */
KERNEL(gatherGradients)(
  int32_t *claim, const uint32_t *ids, const float *d, int32_t ldd, int32_t width, uint32_t *hash, uint32_t *distinct,
  float *gradients, int32_t areas, size_t areaBytes, uint32_t *countAt, int32_t rows, int32_t isFirstField,
  const int32_t *fresh
) {
  if (isFirstField ? !take(claim) : !has()) return;
  distinct_rows known = open_rows(hash, distinct, countAt);
  if (isFirstField && *fresh) clear_rows(&known);
  vector seen = splat(0);
#define GATHER(width) \
  for (size_t b = 0; b < (size_t)rows; b++) { \
    const float *from = d + b * (size_t)ldd; \
    if (b + AHEAD < (size_t)rows) { \
      fetch(from + AHEAD * (size_t)ldd, (width) * sizeof *from); \
      PREFETCH(known.hash + hash_of(&known, ids[b + AHEAD])); \
    } \
    int is_new; \
    float *to = gradients + number_of(&known, ids[b], &is_new) * (size_t)(width); \
    if (is_new) { \
      clear_areas(to, (width), (size_t)areas, areaBytes); \
      EACH_COLUMNS( \
        width, const vector x = load_some(from + i, left); store_some(to + i, left, x); seen = look(seen, x); \
      ) \
    } else { \
      EACH_COLUMNS( \
        width, const vector x = load_some(to + i, left) + load_some(from + i, left); store_some(to + i, left, x); \
        seen = look(seen, x); \
      ) \
    } \
  }
  BY_WIDTH((size_t)width, GATHER)
  keep(seen);
  countAt[0] = known.count;
}
