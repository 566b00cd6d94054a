// Permutes and searches rows: columns of words, or a column of bags. Rows are at random addresses, and a row that is
// waited for before the next is loaded costs a cache miss: four columns are loaded at once, and the items of many rows
// together.

#include <wasm_simd128.h>
#include "heap-base.h"
#include "team.h"

/** Rows that are loaded together: their items stay in a processor's cache until they are copied. */
enum { TOGETHER = 256 };

/** Items of a row: the indices of the first, and of the one after the last. */
typedef struct {
  uint32_t begin, end;
} span;

/** Keeps loads whose values nothing else uses. */
static volatile OWN uint32_t loaded;

/**
 * Finds the items of rows in an order.
 * @param offsets index of the first item of each row, uint32 [rows + 1]
 * @param order rows, uint32 [count]
 * @param spans gets the items of each row of the order, [count]
 * @param into gets the offsets of the rows in that order, uint32 [count + 1]
 */
KERNEL_OF(void, findItems)(
  const uint32_t *offsets, const uint32_t *order, int32_t count, span *spans, uint32_t *into
) {
  uint32_t at = 0;
  into[0] = 0;
  for (int32_t i = 0; i < count; i++) {
    const uint32_t *const row = offsets + order[i];
    spans[i] = (span){row[0], row[1]};
    into[i + 1] = at += row[1] - row[0];
  }
}

/**
 * Copies the items of rows `begin` to `end` of an order, one after the other. Up to three words are read after an
 * item, and written after the last.
 * @param items uint32 by index
 */
KERNEL_OF(void, copyItems)(const span *spans, int32_t begin, int32_t end, const uint32_t *items, uint32_t *into) {
  for (int32_t from = begin; from < end; from += TOGETHER) {
    const int32_t stop = end < from + TOGETHER ? end : from + TOGETHER;
    uint32_t any = 0;
    for (int32_t i = from; i < stop; i++) any ^= items[spans[i].begin] ^ items[spans[i].end];
    loaded = any;
    for (int32_t i = from; i < stop; i++) {
      const uint32_t *const first = items + spans[i].begin;
      const uint32_t count = spans[i].end - spans[i].begin;
      for (uint32_t done = 0; done < count; done += 4) wasm_v128_store(into + done, wasm_v128_load(first + done));
      into += count;
    }
  }
}

/** Stores the columns of a matrix of four by four words, whose rows are given. */
INLINE void store_columns(v128_t x, v128_t y, v128_t z, v128_t w, void *a, void *b, void *c, void *d) {
  const v128_t xy01 = wasm_i32x4_shuffle(x, y, 0, 4, 1, 5), xy23 = wasm_i32x4_shuffle(x, y, 2, 6, 3, 7);
  const v128_t zw01 = wasm_i32x4_shuffle(z, w, 0, 4, 1, 5), zw23 = wasm_i32x4_shuffle(z, w, 2, 6, 3, 7);
  wasm_v128_store(a, wasm_i64x2_shuffle(xy01, zw01, 0, 2));
  wasm_v128_store(b, wasm_i64x2_shuffle(xy01, zw01, 1, 3));
  wasm_v128_store(c, wasm_i64x2_shuffle(xy23, zw23, 0, 2));
  wasm_v128_store(d, wasm_i64x2_shuffle(xy23, zw23, 1, 3));
}

/**
 * Interleaves four columns, so that a row is one load. Up to three rows are read and written after the last.
 * @param into [rows, 4]
 */
KERNEL_OF(void, joinColumns)(
  const uint32_t *a, const uint32_t *b, const uint32_t *c, const uint32_t *d, int32_t rows, uint32_t *into
) {
  for (int32_t r = 0; r < rows; r += 4, into += 16)
    store_columns(
      wasm_v128_load(a + r), wasm_v128_load(b + r), wasm_v128_load(c + r), wasm_v128_load(d + r), into, into + 4,
      into + 8, into + 12
    );
}

/**
 * Gathers the rows of an order from interleaved columns into four columns. Up to three rows of the order are read after
 * the last, which must be rows too, and written.
 * @param joined [rows, 4]
 */
KERNEL_OF(void, partColumns)(
  const uint32_t *joined, const uint32_t *order, int32_t count, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d
) {
  for (int32_t i = 0; i < count; i += 4)
    store_columns(
      wasm_v128_load(joined + 4 * order[i]), wasm_v128_load(joined + 4 * order[i + 1]),
      wasm_v128_load(joined + 4 * order[i + 2]), wasm_v128_load(joined + 4 * order[i + 3]), a + i, b + i, c + i, d + i
    );
}

/** Returns the largest of some words, with only the bits of a mask; 0 if there are none. */
KERNEL_OF(uint32_t, largest)(const uint32_t *words, int32_t count, uint32_t mask) {
  uint32_t most = 0;
#pragma clang loop interleave_count(4)
  for (int32_t i = 0; i < count; i++) most = (words[i] & mask) > most ? words[i] & mask : most;
  return most;
}
