// Searches in the items of each row: hashes of items, the largest scores, and copies of the selected items. Row b has
// items offsets[b] … offsets[b + 1], of which selected[b] … selected[b + 1] are selected. Workers share the rows of the
// batch, each with all items of its rows.

#include "vector.h"

/** The rows b of this worker, with their items from `first` up to `stop`. */
#define EACH_ROW \
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) \
    for (size_t first = offsets[b], stop = offsets[b + 1], is_next = 0; !is_next; is_next = 1)
/** The selected items of row b, from the oldest on, and where each is among all items. */
#define EACH_SELECTED \
  ROLLED for (size_t own = selected[b], own_stop = selected[b + 1]; own < own_stop; own++) \
    for (size_t item = offsets[b + 1] - 1 - (size_t)p[own * (size_t)ldp], is_done = 0; !is_done; is_done = 1)

#define MAX_BITS 256

/** Projects x[0] … x[width] and writes for each bit whether the sum is negative, as -1 or 0. */
INLINE void hash_of(const float *x, int32_t width, const float *p, int32_t count, int32_t *to) {
  ROLLED for (size_t n = 0, left = (size_t)count; n < (size_t)count; n += LANES, left -= left < LANES ? left : LANES) {
    vector sum = splat(0);
    ROLLED for (size_t c = 0; c < (size_t)width; c++) sum += splat(x[c]) * load_some(p + c * (size_t)count + n, left);
    const bits is_negative = (bits)(sum < splat(0));
    memcpy(to + n, &is_negative, sizeof is_negative);
  }
}

/** y[item] = the number of bits that the hashes of x[item] and q[b] share; p[c · count + bit] are projections. */
KERNEL(hashMatches)(
  const float *x, int32_t ldx, const float *q, int32_t ldq, const float *p, const uint32_t *offsets, float *y,
  int32_t ldy, int32_t rows, int32_t width, int32_t bits
) {
  int32_t wanted[MAX_BITS + LANES], found[MAX_BITS + LANES];
  EACH_ROW {
    if (first < stop) hash_of(q + b * (size_t)ldq, width, p, bits, wanted);
    ROLLED for (size_t item = first; item < stop; item++) {
      hash_of(x + item * (size_t)ldx, width, p, bits, found);
      int32_t matches = 0;
      for (int32_t bit = 0; bit < bits; bit++) matches += wanted[bit] == found[bit];
      y[item * (size_t)ldy] = (float)matches;
    }
  }
}

/** An integer that is larger for a larger score; 0 and -0 are equal, and NaN is the smallest. */
INLINE uint32_t key_of(float score) {
  const float number = score + 0.0f;
  uint32_t key;
  memcpy(&key, &number, sizeof key);
  if (number != number) return 0;
  return key >> 31 ? ~key : key | 0x80000000u;
}

/**
 * Finds the smallest key among the `count` largest ones, digit by digit from the highest.
 * @return how many of these items have that key
 */
INLINE size_t find_least(const float *x, int32_t ldx, size_t first, size_t stop, size_t count, uint32_t *least) {
  uint32_t found = 0, mask = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    uint32_t counts[256] = {0};
    ROLLED for (size_t item = first; item < stop; item++) {
      const uint32_t key = key_of(x[item * (size_t)ldx]);
      counts[key >> shift & 255] += (key & mask) == found;
    }
    uint32_t digit = 255;
    for (; counts[digit] < count; digit--) count -= counts[digit];
    found |= digit << shift;
    mask |= 255u << shift;
  }
  *least = found;
  return count;
}

/**
 * y[own] = the number of later items of the row, for the items with the largest scores x, of equal ones the latest, in
 * the order of the items.
 */
KERNEL(selectTop)(
  const float *x, int32_t ldx, const uint32_t *offsets, const uint32_t *selected, float *y, int32_t ldy, int32_t rows
) {
  EACH_ROW {
    const size_t count = selected[b + 1] - selected[b];
    uint32_t least = 0;
    size_t equals = count < stop - first ? find_least(x, ldx, first, stop, count, &least) : count;
    float *to = y + (size_t)selected[b + 1] * (size_t)ldy;
    for (size_t item = stop; item-- > first;) {
      const uint32_t key = key_of(x[item * (size_t)ldx]);
      if (key < least || (key == least && equals == 0)) continue;
      equals -= key == least;
      to -= ldy;
      *to = (float)(stop - 1 - item);
    }
  }
}

/** y[own] = x[item] for the selected items. */
KERNEL(gatherItems)(
  const float *x, int32_t ldx, const float *p, int32_t ldp, const uint32_t *offsets, const uint32_t *selected, float *y,
  int32_t ldy, int32_t rows, int32_t width
) {
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++)
    EACH_SELECTED EACH_COLUMNS((size_t)width, {
      store_some(y + own * (size_t)ldy + i, left, load_some(x + item * (size_t)ldx + i, left));
    })
}

/** y[item] (+)= x[own] for the selected items, and 0 for the others. */
KERNEL(scatterItems)(
  const float *x, int32_t ldx, const float *p, int32_t ldp, const uint32_t *offsets, const uint32_t *selected, float *y,
  int32_t ldy, int32_t rows, int32_t width, int32_t accumulate
) {
  EACH_ROW {
    ROLLED for (size_t item = accumulate ? stop : first; item < stop; item++)
      EACH_COLUMNS((size_t)width, { store_some(y + item * (size_t)ldy + i, left, splat(0)); })
    EACH_SELECTED EACH_COLUMNS((size_t)width, {
      float *to = y + item * (size_t)ldy + i;
      store_some(to, left, load_some(to, left) + load_some(x + own * (size_t)ldx + i, left));
    })
  }
}
