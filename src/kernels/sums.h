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

#endif
