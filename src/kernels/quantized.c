// Lookup of quantized rows, which src/tables/row-formats.ts writes. Results are bitwise identical to those of tables
// with the same values in single precision.

#include "bags.h"

/** Columns of a bag that are summed together, a multiple of LANES. */
#define BLOCK 64

/** Reads columns of a row of 8-bit integers, which its scale precedes. */
INLINE void read_int8(const float *row, size_t first, size_t count, float *restrict to) {
  const int8_t *from = (const int8_t *)(row + 1) + first;
  const float scale = row[0];
  for (size_t i = 0; i < count; i++) to[i] = scale * (float)from[i];
}

/** Converts a finite value from half precision, exactly. */
INLINE float from_half(uint16_t half) {
  const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
  // A subnormal m · 2^-24 is read as 2^-14 + m · 2^-24.
  const uint32_t is_subnormal = magnitude < (1u << 23);
  const uint32_t bits = magnitude + ((112u + is_subnormal) << 23);
  float value;
  memcpy(&value, &bits, sizeof value);
  value -= is_subnormal ? 0x1p-14f : 0.0f;
  uint32_t signed_bits;
  memcpy(&signed_bits, &value, sizeof value);
  signed_bits |= (uint32_t)(half & 0x8000) << 16;
  memcpy(&value, &signed_bits, sizeof value);
  return value;
}

/** Reads columns of a row in half precision. */
INLINE void read_half(const float *row, size_t first, size_t count, float *restrict to) {
  const uint16_t *from = (const uint16_t *)row + first;
  for (size_t i = 0; i < count; i++) to[i] = from_half(from[i]);
}

#define LOOK_UP(width, read) \
  for (size_t b = begin; b < end; b++) { \
    if (b + AHEAD < end) fetch(table + ids[b + AHEAD] * (size_t)stride, (size_t)stride * sizeof *table); \
    read(table + ids[b] * (size_t)stride, 0, (width), y + b * (size_t)ldy); \
  }
/** Reads rows: y[b, 0 … D) = table[ids[b]]; fails if an id is not below `tableSize`. Rows are shared among workers. */
#define LOOK_UP_ROWS(read) \
  const size_t begin = share_begin(rows, 4), end = share_end(rows, 4); \
  require_below(ids + begin, ids + end, (uint32_t)tableSize); \
  BY_WIDTH((size_t)width, LOOK_UP, read)

/** `lookup` of rows with a scale and 8-bit integers. */
KERNEL(lookupInt8)(
  const uint32_t *ids, const float *table, int32_t tableSize, int32_t stride, int32_t width, float *y, int32_t ldy,
  int32_t rows
) {
  LOOK_UP_ROWS(read_int8)
}

/** `lookup` of rows in half precision. */
KERNEL(lookupHalf)(
  const uint32_t *ids, const float *table, int32_t tableSize, int32_t stride, int32_t width, float *y, int32_t ldy,
  int32_t rows
) {
  LOOK_UP_ROWS(read_half)
}

#define SUM_BLOCK(width, read) \
  for (size_t b = begin; b < end; b++) { \
    const uint32_t *first = ids + offsets[b], *stop = ids + offsets[b + 1]; \
    for (size_t at = 0; at < (width); at += BLOCK) { \
      const size_t count = (width) - at < BLOCK ? (width) - at : BLOCK; \
      const size_t fused = FUSED(width) - at < count ? FUSED(width) - at : count; \
      float sums[BLOCK] = {0}, row[BLOCK]; \
      EACH_ITEM { \
        if (id + AHEAD < last) fetch(table + id[AHEAD] * (size_t)stride, (size_t)stride * sizeof *table); \
        read(table + *id * (size_t)stride, at, count, row); \
        const float factor = FACTOR; \
        EACH_COLUMNS( \
          fused, const vector before = load_columns(sums + i, left); \
          store_columns(sums + i, left, multiply_add(splat(factor), load_columns(row + i, left), before)); \
        ) \
        for (size_t i = fused; i < count; i++) sums[i] += factor * row[i]; \
      } \
      memcpy(y + b * (size_t)ldy + at, sums, count * sizeof *sums); \
    } \
  }
/**
 * Sums weighted rows: y[b, 0 … D) = Σ factor · table[id] over the items of row b; fails if an id is not below
 * `tableSize`. Rows are shared among workers.
 */
#define SUM_ROWS(read) \
  const uint32_t *ids = ids_of(bag); \
  const float *factors = factors_of(bag); \
  const size_t begin = share_begin(rows, 4), end = share_end(rows, 4); \
  const uint32_t *last = ids + offsets[end]; \
  require_below(ids + offsets[begin], last, (uint32_t)tableSize); \
  BY_WIDTH((size_t)width, SUM_BLOCK, read)

/** `lookupBags` of rows with a scale and 8-bit integers. */
KERNEL(lookupBagsInt8)(
  const uint32_t *bag, const uint32_t *offsets, const float *table, int32_t tableSize, int32_t stride, int32_t width,
  float *y, int32_t ldy, int32_t rows
) {
  SUM_ROWS(read_int8)
}

/** `lookupBags` of rows in half precision. */
KERNEL(lookupBagsHalf)(
  const uint32_t *bag, const uint32_t *offsets, const float *table, int32_t tableSize, int32_t stride, int32_t width,
  float *y, int32_t ldy, int32_t rows
) {
  SUM_ROWS(read_half)
}
