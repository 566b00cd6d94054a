// An exponential moving average of weights. A row's average changes by a known share while its weights stay the same,
// so it is brought up to date only before its weights change, and is exact.
//
// `clock` is two doubles: the decay, and the number of steps. A table's row has its average `average` bytes after its
// weights, and next to the average a word: the number of steps that the average covers.

#include "tables.h"

/** Returns base^n; bitwise identical to engines/state/average.ts. */
static double power(double base, uint32_t n) {
  double result = 1;
  for (; n > 0; n >>= 1, base *= base)
    if (n & 1) result *= base;
  return result;
}

/** Returns the share of its distance from constant weights that an average of `from` steps has after `to` > `from`. */
static float share_left(double decay, uint32_t from, uint32_t to) {
  return (float)(power(decay, to - from) * (1 - power(decay, from)) / (1 - power(decay, to)));
}

/** average = w + share (average - w); not fused, so that JavaScript can have the same bits. */
INLINE void approach(const float *w, float *average, size_t count, float share) {
  for (size_t i = 0; i < count; i += LANES) {
    const vector weight = load_some(w + i, count - i);
    store_some(average + i, count - i, weight + splat(share) * (load_some(average + i, count - i) - weight));
  }
}

INLINE void exchange(float *w, float *average, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const vector weight = load_some(w + i, count - i);
    store_some(w + i, count - i, load_some(average + i, count - i));
    store_some(average + i, count - i, weight);
  }
}

/** Brings the average of a row up to so many steps; returns it. */
INLINE float *bring_up(float *row, size_t average, size_t width, double decay, uint32_t steps) {
  float *at = row + average / sizeof *row;
  uint32_t covers;
  memcpy(&covers, at + width, sizeof covers);
  if (covers != steps) {
    approach(row, at, width, share_left(decay, covers, steps));
    memcpy(at + width, &steps, sizeof steps);
  }
  return at;
}

/** Takes dense weights after a step into their average, unless `refused` is nonzero; shared among workers. */
KERNEL(averageWeights)(
  const float *w, float *average, int32_t count, const double *clock, const uint32_t *refused
) {
  if (*refused) return;
  const uint32_t before = (uint32_t)clock[1];
  const size_t begin = share_begin(count, 16), end = share_end(count, 16);
  approach(w + begin, average + begin, end - begin, share_left(clock[0], before, before + 1));
}

/**
 * Brings the average of rows that are about to change up to the number of steps: distinct rows, shared as their update
 * shares them, or all rows of a table that is not lazy. Does nothing if `refused` is nonzero.
 * @param tableRows 0 for lazy
 */
KERNEL(averageRows)(
  float *table, int32_t stride, int32_t width, size_t average, const uint32_t *distinct, const int32_t *countAt,
  const double *clock, const uint32_t *refused, int32_t tableRows
) {
  if (*refused) return;
  const uint32_t steps = (uint32_t)clock[1];
  const size_t gap = (size_t)stride;
  const int32_t count = tableRows ? tableRows : *countAt;
  const size_t begin = share_begin(count, 1), end = share_end(count, 1);
  for (size_t u = begin; u < end; u++) {
    if (!tableRows) fetch_distinct(table, gap, distinct, u, begin, end);
    const size_t row = tableRows ? u : distinct[u];
    bring_up(table + row * gap, average, (size_t)width, clock[0], steps);
  }
}

/** Exchanges dense weights and their average; shared among workers. */
KERNEL(exchangeWeights)(float *w, float *average, int32_t count) {
  const size_t begin = share_begin(count, 16), end = share_end(count, 16);
  exchange(w + begin, average + begin, end - begin);
}

/**
 * Exchanges the weights of the rows of a table and their average, brought up to the number of steps.
 * @param rows 0 for a table that grows: the number of rows is at `countAt`
 */
KERNEL(exchangeRows)(
  float *table, int32_t stride, int32_t width, size_t average, int32_t rows, const int32_t *countAt,
  const double *clock
) {
  const int32_t count = rows ? rows : *countAt;
  const size_t end = share_end(count, 1);
  for (size_t row = share_begin(count, 1); row < end; row++) {
    float *at = table + row * (size_t)stride;
    exchange(at, bring_up(at, average, (size_t)width, clock[0], (uint32_t)clock[1]), (size_t)width);
  }
}
