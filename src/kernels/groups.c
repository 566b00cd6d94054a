// Losses that compare rows of a batch within groups: columns of one float per row. A group is an integer, the same for
// its rows; a row with a negative one is a group of its own. Each group is a segment s with items offsets[s] …
// offsets[s + 1], whose rows are order[item], in ascending order. Workers share segments, so sums have one order. They
// are in double precision, unlike those over the items of sequences (segments.c), since losses are.
//
// If several processes have parts of a batch, columns that are read have the rows of all of them, and columns that are
// written those of this process. `part` is two doubles: the number of all rows, and the first of the `rows` of this
// process. It is 0 if all rows are of this process. Groups without a row of this process are not segments.

#include "each.h"
#include "math.h"

/** Returns the number of rows of all processes, and the first one of this process. */
static int32_t all_of(const double *part, int32_t rows) { return part ? (int32_t)part[0] : rows; }
static int32_t first_own(const double *part) { return part ? (int32_t)part[1] : 0; }

/** A value of a column. */
#define AT(column, ld, b) (column)[(size_t)(b) * (size_t)(ld)]

/**
 * Makes segments of groups, in the order of their first rows; by one worker.
 * @param order rows of all segments; `segments` the segment of each row, or -1
 * @param offsets rows + 1 words: those after the last segment have the number of all items
 * @param places open hash table: 2^bits words, at least twice as many as rows of all processes
 * @param columns of the phase by columns: one line
 */
KERNEL(arrangeGroups)(
  const float *groups, int32_t ld, int32_t *order, uint32_t *offsets, int32_t *segments, int32_t *places, int32_t bits,
  int32_t rows, const double *part, int32_t columns, int32_t slot, int32_t slots
) {
  if (slot_begin(columns, slot, slots) == slot_end(columns, slot, slots)) return;
  const int32_t all = all_of(part, rows), begin = first_own(part);
  const uint32_t mask = (1u << bits) - 1;
  memset(places, 0, sizeof *places << bits);
  memset(offsets, 0, ((size_t)rows + 1) * sizeof *offsets);
  uint32_t *next = offsets + 1;
  int32_t count = 0;
  for (int32_t i = 0; i < all; i++) {
    // Rows of this process are first: groups without any are skipped.
    const int32_t b = i < all - begin ? begin + i : begin + i - all;
    const float group = AT(groups, ld, b);
    int32_t segment = i < rows ? count : -1;
    if (group >= 0) {
      uint32_t hash;
      memcpy(&hash, &group, sizeof hash);
      uint32_t place = (hash * 0x9e3779b1u) >> (32 - bits);
      while (places[place] && AT(groups, ld, places[place] - 1) != group) place = (place + 1) & mask;
      if (places[place]) segment = segments[places[place] - 1];
      else if (i < rows) places[place] = b + 1;
    }
    segments[b] = segment;
    if (segment < 0) continue;
    count += segment == count;
    next[segment]++;
  }
  uint32_t items = 0;
  for (int32_t s = 0; s < rows; s++) {
    const uint32_t size = next[s];
    next[s] = items;
    items += size;
  }
  for (int32_t b = 0; b < all; b++)
    if (segments[b] >= 0) order[next[segments[b]]++] = b;
}

/** Returns the first segment that begins with an item or a later one. */
static size_t segment_from(
  const int32_t *order, const uint32_t *offsets, const int32_t *segments, int32_t rows, int32_t item
) {
  if ((uint32_t)item == offsets[rows]) return (size_t)rows;
  const int32_t segment = segments[order[item]];
  return (size_t)segment + (offsets[segment] < (uint32_t)item);
}
/** Segments that begin in this worker's share of all items: `from` up to `to`; these balance items. */
#define OWN_SEGMENTS \
  const int32_t items = (int32_t)offsets[rows]; \
  const size_t from = segment_from(order, offsets, segments, rows, (int32_t)share_begin(items, 1)), \
               to = segment_from(order, offsets, segments, rows, (int32_t)share_end(items, 1));
/** These segments, with their items from `first` up to `stop`. */
#define EACH_SEGMENT \
  for (size_t s = from; s < to; s++) \
    for (size_t first = offsets[s], stop = offsets[s + 1], is_next = 0; !is_next; is_next = 1)
#define EACH_ITEM ROLLED for (size_t item = first; item < stop; item++)

INLINE int is_own(int32_t b, int32_t begin, int32_t rows) { return (uint32_t)(b - begin) < (uint32_t)rows; }
/** Narrows a segment to the items whose rows are of this process. */
#define TO_OWN_ITEMS \
  while (order[first] < begin) first++; \
  while (order[stop - 1] >= begin + rows) stop--;

/** Returns the maximum of a column over the items of a segment. */
static double largest(const float *x, int32_t ldx, const int32_t *order, size_t first, size_t stop) {
  double most = AT(x, ldx, order[first]);
  EACH_ITEM most = AT(x, ldx, order[item]) > most ? AT(x, ldx, order[item]) : most;
  return most;
}
/** Replaces each number by e^x. */
static void exp_all(double *numbers, size_t count) {
  for (size_t i = 0; i < count; i++) numbers[i] = exp_double(numbers[i]);
}

/**
 * y = log Σ e^x over the rows of the group.
 * @param numbers scratch: a double per item
 */
KERNEL(groupLogSumExp)(
  const float *x, int32_t ldx, const int32_t *order, const uint32_t *offsets, const int32_t *segments, double *numbers,
  float *y, int32_t ldy, int32_t rows, const double *part
) {
  const int32_t begin = first_own(part);
  OWN_SEGMENTS
  EACH_SEGMENT {
    const double most = largest(x, ldx, order, first, stop);
    EACH_ITEM numbers[item] = AT(x, ldx, order[item]) - most;
  }
  exp_all(numbers + offsets[from], offsets[to] - offsets[from]);
  EACH_SEGMENT {
    double sum = 0;
    EACH_ITEM sum += numbers[item];
    const float all = (float)(largest(x, ldx, order, first, stop) + log_double(sum));
    TO_OWN_ITEMS
    EACH_ITEM AT(y, ldy, order[item] - begin) = all;
  }
}

/** dx (+)= e^(x - y) Σ dy over the rows of the group. */
KERNEL(groupLogSumExpGradient)(
  const float *x, int32_t ldx, const int32_t *order, const uint32_t *offsets, const int32_t *segments, double *numbers,
  const float *y, int32_t ldy, const float *dy, int32_t lddy, float *dx, int32_t lddx, int32_t accumulate, int32_t rows,
  const double *part
) {
  const int32_t begin = first_own(part);
  OWN_SEGMENTS
  for (size_t item = offsets[from]; item < offsets[to]; item++) {
    const int32_t b = order[item];
    numbers[item] = is_own(b, begin, rows) ? (double)AT(x, ldx, b) - AT(y, ldy, b - begin) : 0;
  }
  exp_all(numbers + offsets[from], offsets[to] - offsets[from]);
  EACH_SEGMENT {
    double sum = 0;
    EACH_ITEM sum += AT(dy, lddy, order[item]);
    TO_OWN_ITEMS
    EACH_ITEM put_number(&AT(dx, lddx, order[item] - begin), (float)(sum * numbers[item]), accumulate);
  }
}

/** Rows that are computed together: `TOGETHER` fill a vector. */
enum { BLOCK = 64, TOGETHER = LANES / 2 };
/** The rows j of a block from `first_of` up to `end_of`, and those that fill vectors with them. */
#define EACH_OF_BLOCK(first_of, end_of) \
  ROLLED for (size_t filled = (first_of) / TOGETHER * TOGETHER; filled < (end_of); filled += TOGETHER) \
    for (size_t j = filled; j < filled + TOGETHER; j++)

/** Rows of another label than 1, of which those of this process are `own` up to `others`, and their values. */
typedef struct {
  size_t count, own, others;
  int32_t rows[BLOCK];
  double x[BLOCK], sums[BLOCK];
} negatives;

/** Takes the next rows of another label than 1 from the items of a segment; returns the item that follows. */
static size_t take_negatives(
  negatives *taken, const float *x, int32_t ldx, const float *label, int32_t ldt, const int32_t *order, size_t item,
  size_t stop, int32_t begin, int32_t rows
) {
  taken->count = taken->own = taken->others = 0;
  for (; item < stop && taken->count < BLOCK; item++) {
    const int32_t b = order[item], is_negative = AT(label, ldt, b) != 1;
    taken->rows[taken->count] = b;
    taken->x[taken->count] = AT(x, ldx, b);
    taken->sums[taken->count] = 0;
    taken->count += (size_t)is_negative;
    taken->own += (size_t)(is_negative & (b < begin));
    taken->others += (size_t)(is_negative & (b < begin + rows));
  }
  for (size_t j = taken->count; j % TOGETHER; j++) taken->x[j] = taken->sums[j] = 0;
  return item;
}

/** Clears the numbers of a segment's items; returns how many have another label than 1. */
static double begin_pairs(
  const float *label, int32_t ldt, const int32_t *order, size_t first, size_t stop, double *numbers
) {
  double count = 0;
  EACH_ITEM {
    numbers[item] = 0;
    count += AT(label, ldt, order[item]) != 1;
  }
  return count;
}

/**
 * Of rows of label 1: y = the mean of log(1 + e^(x_j - x)) over the rows j of the group with another label; 0 of other
 * rows.
 * @param numbers scratch: a double per item
 */
KERNEL(groupPairs)(
  const float *x, int32_t ldx, const float *label, int32_t ldt, const int32_t *order, const uint32_t *offsets,
  const int32_t *segments, double *numbers, float *y, int32_t ldy, int32_t rows, const double *part
) {
  const int32_t begin = first_own(part);
  negatives taken;
  OWN_SEGMENTS
  EACH_SEGMENT {
    const double count = begin_pairs(label, ldt, order, first, stop, numbers);
    // Without a row of label 1, there are no pairs.
    for (size_t next = count < (double)(stop - first) ? first : stop; next < stop;) {
      next = take_negatives(&taken, x, ldx, label, ldt, order, next, stop, begin, rows);
      EACH_ITEM {
        const int32_t b = order[item];
        if (AT(label, ldt, b) != 1 || !is_own(b, begin, rows)) continue;
        double losses[BLOCK];
        EACH_OF_BLOCK(0, taken.count) losses[j] = softplus(taken.x[j] - AT(x, ldx, b));
        for (size_t j = 0; j < taken.count; j++) numbers[item] += losses[j];
      }
    }
    TO_OWN_ITEMS
    EACH_ITEM AT(y, ldy, order[item] - begin) = count ? (float)(numbers[item] / count) : 0;
  }
}

/**
 * dx (+)= the sum over a row's pairs: for the row of label 1, minus its share of dy; for the other, plus that share.
 * Each pair is computed once.
 */
KERNEL(groupPairsGradient)(
  const float *x, int32_t ldx, const float *label, int32_t ldt, const int32_t *order, const uint32_t *offsets,
  const int32_t *segments, double *numbers, const float *dy, int32_t lddy, float *dx, int32_t lddx, int32_t accumulate,
  int32_t rows, const double *part
) {
  const int32_t begin = first_own(part);
  negatives taken;
  OWN_SEGMENTS
  EACH_SEGMENT {
    const double count = begin_pairs(label, ldt, order, first, stop, numbers);
    for (size_t next = first; next < stop && count > 0;) {
      next = take_negatives(&taken, x, ldx, label, ldt, order, next, stop, begin, rows);
      EACH_ITEM {
        const int32_t b = order[item];
        if (AT(label, ldt, b) != 1) continue;
        // Of pairs with another process's row of label 1, this process has those with its own other rows.
        const int is_whole = is_own(b, begin, rows);
        const size_t begin_of = is_whole ? 0 : taken.own, end_of = is_whole ? taken.count : taken.others;
        const double share = (double)AT(dy, lddy, b) / count;
        double shares[BLOCK];
        EACH_OF_BLOCK(begin_of, end_of) {
          shares[j] = share * sigmoid_double(taken.x[j] - AT(x, ldx, b));
          taken.sums[j] += shares[j];
        }
        for (size_t j = begin_of; j < end_of; j++) numbers[item] += shares[j];
      }
      for (size_t j = taken.own; j < taken.others; j++)
        put_number(&AT(dx, lddx, taken.rows[j] - begin), (float)taken.sums[j], accumulate);
    }
    TO_OWN_ITEMS
    EACH_ITEM {
      const int32_t b = order[item];
      if (AT(label, ldt, b) == 1) put_number(&AT(dx, lddx, b - begin), (float)-numbers[item], accumulate);
    }
  }
}
