// Sums over the rows of a batch: in single precision over a block of rows, in double precision over the blocks.

#ifndef SUMS_H
#define SUMS_H

#include "vector.h"

/** Rows of a block. */
#define BLOCK 32
/** Columns of a cache line, which only one worker writes. */
#define LINE 16

/** Adds four floats to four doubles. */
INLINE void add_block(double *at, four v) {
  two low, high;
  memcpy(&low, at, sizeof low);
  memcpy(&high, at + 2, sizeof high);
  low += low_half(v);
  high += high_half(v);
  memcpy(at, &low, sizeof low);
  memcpy(at + 2, &high, sizeof high);
}

/** How many of a vector's lanes are columns; columns come in fours. */
INLINE size_t columns_of(size_t left) { return LANES == 4 || left >= LANES ? LANES : left; }

/** Adds a vector of columns, of which `left` are left, to as many doubles. */
INLINE void add_columns(double *at, size_t left, vector v) {
  float all[LANES];
  memcpy(all, &v, sizeof all);
  for (size_t j = 0; j < columns_of(left); j++) at[j] += (double)all[j];
}

/** Returns doubles divided by `count`, as a vector of columns. */
INLINE vector mean_columns(const double *at, size_t left, double count) {
  float all[LANES] = {0};
  for (size_t j = 0; j < columns_of(left); j++) all[j] = (float)(at[j] / count);
  vector mean;
  memcpy(&mean, all, sizeof all);
  return mean;
}

/** Rows of each of at most `parts` parts of a batch: as many for any number of workers. */
INLINE size_t part_rows(size_t rows, size_t parts) { return rows > parts ? (rows + parts - 1) / parts : 1; }

#endif
