// Distinct rows of an embedding table, found by hashing, and gradients that are added to them. D is the table's width.

#ifndef TABLES_H
#define TABLES_H

#include "team.h"
#include "vector.h"

/** Rows that are in flight from memory: tables exceed the caches. */
#define AHEAD 24
#define LINE 64
/** Marks a free slot of the hash table. */
#define EMPTY 0xffffffffu
/** Marks a row that has no number yet, and the number of a distinct row for its first id. */
#define NEW 0x80000000u
/** Widths that loops are unrolled for. */
#define BY_WIDTH(width, each, ...) \
  switch (width) { \
    case 4: each(4, ##__VA_ARGS__) break; \
    case 8: each(8, ##__VA_ARGS__) break; \
    case 16: each(16, ##__VA_ARGS__) break; \
    case 32: each(32, ##__VA_ARGS__) break; \
    default: each(width, ##__VA_ARGS__) \
  }

INLINE void fetch(const void *at, size_t bytes) {
  for (size_t line = 0; line < bytes; line += LINE) PREFETCH((const char *)at + line);
}

/** Fails unless all ids are below a table's size; the ids of a batch come from files. */
INLINE void require_below(const uint32_t *ids, const uint32_t *end, uint32_t size) {
  uint32_t above = 0;
  for (; ids < end; ids++) above |= *ids >= size;
  if (above) fail();
}

/** Rows of a table that are fetched together, or in advance. */
#define FETCHED 16
/** Fetches distinct rows before the visit of the u-th, from `begin` to `end`. */
#if defined(__wasm__)
static OWN uint32_t touched;
INLINE void fetch_distinct(
  const float *table, size_t stride, const uint32_t *distinct, size_t u, size_t begin, size_t end
) {
  if ((u - begin) % FETCHED) return;
  // Reads, as many as are in flight at once; their sum keeps the compiler from dropping them.
  for (size_t next = u; next < end && next < u + FETCHED; next++)
    for (size_t i = 0; i < stride; i += LINE / sizeof(float))
      touched += ((const uint32_t *)table)[distinct[next] * stride + i];
}
#else
INLINE void fetch_distinct(
  const float *table, size_t stride, const uint32_t *distinct, size_t u, size_t begin, size_t end
) {
  (void)begin;
  if (u + FETCHED >= end) return;
  const float *next = table + distinct[u + FETCHED] * stride;
  for (size_t i = 0; i < stride; i += LINE / sizeof(float)) PREFETCH(next + i, 1);
}
#endif

/** Distinct rows, and a hash table of their numbers: its slots are a power of two, at most half of them in use. */
typedef struct {
  uint32_t *hash, *distinct;
  uint32_t mask, shift, keys, count;
} distinct_rows;

/** @param count_at number of distinct rows, one free word, and the maximum number of them (keys) */
INLINE distinct_rows open_rows(uint32_t *hash, uint32_t *distinct, const uint32_t *count_at) {
  const uint32_t keys = count_at[2], least = keys > 0 ? 2 * keys : 2, shift = (uint32_t)__builtin_clz(least - 1);
  return (distinct_rows){hash, distinct, 0xffffffffu >> shift, shift, keys, count_at[0]};
}
/** Forgets all rows. */
INLINE void clear_rows(distinct_rows *rows) {
  memset(rows->hash, 0xff, ((size_t)rows->mask + 1) * sizeof *rows->hash);
  rows->count = 0;
}

/** Knuth's multiplicative hash: spreads consecutive numbers evenly. */
INLINE uint32_t spread(uint32_t number) { return number * 0x9e3779b1u; }
/** Index of the slot where a row's search begins. */
INLINE uint32_t hash_of(const distinct_rows *rows, uint32_t row) { return spread(row) >> rows->shift; }
/** Slot of a row, or the free slot where it belongs, by linear probing. */
INLINE uint32_t *slot_of(const distinct_rows *rows, uint32_t row) {
  uint32_t h = hash_of(rows, row), number;
  while ((number = rows->hash[h]) != EMPTY && rows->distinct[number] != row) h = (h + 1) & rows->mask;
  return rows->hash + h;
}
/** Number of a row among the distinct ones, which it joins if it is new; fails if they are too many. */
INLINE uint32_t number_of(distinct_rows *rows, uint32_t row, int *is_new) {
  uint32_t *slot = slot_of(rows, row);
  *is_new = *slot == EMPTY;
  if (*is_new) {
    if (rows->count == rows->keys) fail();
    *slot = rows->count++;
    rows->distinct[*slot] = row;
  }
  return *slot;
}

/** Clears a new row in the areas behind the first; it is too short for a call of memset. */
INLINE void clear_areas(float *row, size_t width, size_t areas, size_t area_bytes) {
  for (size_t area = 1; area < areas; area++) {
    float *to = (float *)((char *)row + area * area_bytes);
    EACH_COLUMNS(width, store_some(to + i, left, splat(0));)
  }
}

#endif
