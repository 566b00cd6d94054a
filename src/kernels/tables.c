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
  const size_t begin = share_begin(rows, 4), end = share_end(rows, 4);
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

/** Opens a table's distinct rows for a field; returns 0 unless this worker has the table. */
INLINE int open_field(
  distinct_rows *known, int32_t *claim, uint32_t *hash, uint32_t *distinct, const uint32_t *countAt,
  int32_t isFirstField, const int32_t *fresh
) {
  if (isFirstField ? !take(claim) : !has()) return 0;
  *known = open_rows(hash, distinct, countAt);
  if (isFirstField && *fresh) clear_rows(known);
  return 1;
}

/** Adds a gradient to that of a distinct row, or begins it and clears it in the areas behind the first. */
INLINE vector add_gradient(
  int is_new, float *to, const float *from, size_t width, size_t areas, size_t area_bytes, vector seen
) {
  if (is_new) {
    clear_areas(to, width, areas, area_bytes);
    EACH_COLUMNS(
      width, const vector x = load_some(from + i, left); store_some(to + i, left, x); seen = look(seen, x);
    )
  } else {
    EACH_COLUMNS(
      width, const vector x = load_some(to + i, left) + load_some(from + i, left); store_some(to + i, left, x);
      seen = look(seen, x);
    )
  }
  return seen;
}

/** Whether there are enough workers to share a table. */
static int is_shared(int32_t sharedFrom) { return sharedFrom && threads >= sharedFrom; }

/**
 * Adds a field's gradients to the distinct rows of its table; the worker that takes the table does all of it.
 * @param claim of the table
 * @param hash as many words as a power of two from twice the keys on
 * @param distinct the distinct rows
 * @param gradients of them; the first id of a row clears it in the `areas - 1` areas that follow, `areaBytes` apart
 * @param countAt the number of distinct rows, one free word, and their maximum number in this batch (keys)
 * @param fresh 1 if the first field begins a new sum; otherwise it adds to that of another batch
 * @param sharedFrom the number of workers from which they share the table, and the kernels below replace this one; or 0
 */
KERNEL(gatherGradients)(
  int32_t *claim, const uint32_t *ids, const float *d, int32_t ldd, int32_t width, uint32_t *hash, uint32_t *distinct,
  float *gradients, int32_t areas, size_t areaBytes, uint32_t *countAt, int32_t rows, int32_t isFirstField,
  const int32_t *fresh, int32_t sharedFrom
) {
  distinct_rows known;
  if (is_shared(sharedFrom) || !open_field(&known, claim, hash, distinct, countAt, isFirstField, fresh)) return;
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
    seen = add_gradient(is_new, to, from, (width), (size_t)areas, areaBytes, seen); \
  }
  BY_WIDTH((size_t)width, GATHER)
  keep(seen);
  countAt[0] = known.count;
}

// The same by all workers, with barriers in between. The first id of a row gives it its number, as above, so neither
// numbers nor the order of a sum depend on the workers. Rows are below 2^31 - 1.

/** Forgets all rows if `fresh` is not 0. */
KERNEL(clearRows)(
  uint32_t *hash, uint32_t *distinct, uint32_t *countAt, const int32_t *fresh, int32_t sharedFrom
) {
  if (!is_shared(sharedFrom) || !*fresh) return;
  const distinct_rows known = open_rows(hash, distinct, countAt);
  const int32_t slots = (int32_t)(known.mask + 1);
  const size_t begin = share_begin(slots, LINE / sizeof *hash), end = share_end(slots, LINE / sizeof *hash);
  memset(hash + begin, 0xff, (end - begin) * sizeof *hash);
}

/** Writes each id's slot of the hash table, which a row without one takes; ids are shared among workers. */
KERNEL(findRows)(
  const uint32_t *ids, uint32_t *rowNumbers, uint32_t *hash, uint32_t *distinct, const uint32_t *countAt, int32_t rows,
  int32_t sharedFrom
) {
  if (!is_shared(sharedFrom)) return;
  const distinct_rows known = open_rows(hash, distinct, countAt);
  const size_t end = share_end(rows, LINE / sizeof *ids);
  for (size_t b = share_begin(rows, LINE / sizeof *ids); b < end; b++) {
    if (b + AHEAD < end) PREFETCH(hash + hash_of(&known, ids[b + AHEAD]));
    const uint32_t row = ids[b];
    uint32_t h = hash_of(&known, row);
    for (;; h = (h + 1) & known.mask) {
      uint32_t held = __atomic_load_n(hash + h, __ATOMIC_RELAXED);
      if (held == EMPTY) {
        if (__atomic_compare_exchange_n(hash + h, &held, NEW | row, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) break;
      }
      if (held == (NEW | row) || (held < NEW && distinct[held] == row)) break;
    }
    rowNumbers[b] = h;
  }
}

/** Replaces slots by the numbers of rows, NEW for the first id of a row; by the worker that takes the table. */
KERNEL(numberRows)(
  int32_t *claim, const uint32_t *ids, uint32_t *rowNumbers, uint32_t *hash, uint32_t *distinct, uint32_t *countAt,
  int32_t rows, int32_t isFirstField, const int32_t *fresh, int32_t sharedFrom
) {
  if (!is_shared(sharedFrom) || (isFirstField ? !take(claim) : !has())) return;
  const uint32_t keys = countAt[2];
  uint32_t count = isFirstField && *fresh ? 0 : countAt[0];
  for (size_t b = 0; b < (size_t)rows; b++) {
    if (b + AHEAD < (size_t)rows) PREFETCH(hash + rowNumbers[b + AHEAD]);
    uint32_t *slot = hash + rowNumbers[b];
    const uint32_t held = *slot, is_new = held & NEW, number = is_new ? count : held;
    if (number == keys) fail();
    *slot = number;
    distinct[number] = ids[b];
    rowNumbers[b] = number | is_new;
    count += is_new != 0;
  }
  countAt[0] = count;
}

/** Ids that are searched for those of a worker at a time. */
#define SEARCHED 256
/** Workers share the values of a hash by which rows are dealt, since rows with small numbers have most ids. */
#define DEALT (1 << 16)

/** The distinct rows of a worker: groups of 2^shift rows, a cache line, by a hash of their number. */
typedef struct {
  uint32_t shift, begin, count;
} dealt_rows;
static dealt_rows deal_rows(uint32_t width) {
  const uint32_t begin = (uint32_t)share_begin(DEALT, 1), in_line = width < 16 ? 16 / width : 1;
  return (dealt_rows){31 - (uint32_t)__builtin_clz(in_line), begin, (uint32_t)share_end(DEALT, 1) - begin};
}
/** Lists which of up to SEARCHED ids have rows of this worker; returns how many. */
static size_t list_dealt(dealt_rows own, const uint32_t *numbers, size_t count, uint32_t *listed) {
  uint8_t is_own[SEARCHED];
  for (size_t b = 0; b < count; b++)
    is_own[b] = (spread((numbers[b] & ~NEW) >> own.shift) >> 16) - own.begin < own.count;
  size_t found = 0;
  for (size_t b = 0; b < count; b++) {
    listed[found] = (uint32_t)b;
    found += is_own[b];
  }
  return found;
}

/** Adds a field's gradients to those of the distinct rows, each by one worker; `areas` is 0 if no row is new here. */
KERNEL(addGradients)(
  const uint32_t *rowNumbers, const float *d, int32_t ldd, int32_t width, float *gradients, int32_t areas,
  size_t areaBytes, int32_t rows, int32_t sharedFrom
) {
  if (!is_shared(sharedFrom)) return;
  const dealt_rows own = deal_rows((uint32_t)width);
  const uint32_t first = areas ? NEW : 0;
  uint32_t listed[SEARCHED];
  vector seen = splat(0);
#define FETCH_GRADIENT(i, width) fetch(d + (begin + listed[i]) * (size_t)ldd, (width) * sizeof *d);
#define ADD(width) \
  for (size_t begin = 0, end; begin < (size_t)rows; begin = end) { \
    end = (size_t)rows - begin < SEARCHED ? (size_t)rows : begin + SEARCHED; \
    const size_t found = list_dealt(own, rowNumbers + begin, end - begin, listed); \
    for (size_t i = 0; i < found && i < AHEAD; i++) FETCH_GRADIENT(i, width) \
    for (size_t i = 0; i < found; i++) { \
      if (i + AHEAD < found) FETCH_GRADIENT(i + AHEAD, width) \
      const uint32_t number = rowNumbers[begin + listed[i]]; \
      float *to = gradients + (number & ~NEW) * (size_t)(width); \
      const float *from = d + (begin + listed[i]) * (size_t)ldd; \
      seen = add_gradient((number & first) != 0, to, from, (width), (size_t)areas, areaBytes, seen); \
    } \
  }
  BY_WIDTH((size_t)width, ADD)
  keep(seen);
}
