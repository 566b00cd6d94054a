// Loops over the rows of a worker, and over their columns by vectors or one by one. In them, `row` is the index of the
// row and `n` that of the (first) column; leading dimensions count floats.

#ifndef EACH_H
#define EACH_H

#include "vector.h"

// Rows are short, so loops over columns that are also interleaved or vectorized are larger and often slower.
#if defined(__clang__)
#define NOT_INTERLEAVED _Pragma("clang loop unroll(disable) interleave(disable)")
#define NOT_VECTORIZED _Pragma("clang loop vectorize(disable) unroll(disable)")
#else
#define NOT_INTERLEAVED
#define NOT_VECTORIZED
#endif

/** Goes over the rows of this worker. */
#define EACH_ROW(rows) \
  for (size_t row = share_begin(rows, 4), row_end = share_end(rows, 4); row < row_end; row++)
/** Goes over the columns of a row. */
#define EACH_COLUMN(width) NOT_INTERLEAVED for (size_t n = 0; n < (size_t)(width); n++)
#define EACH_VECTOR(rows, columns) EACH_ROW(rows) EACH_SPAN(columns)
#define EACH_NUMBER(rows, width) EACH_ROW(rows) EACH_COLUMN(width)
/** Does the same for functions that take long; a single column has a loop that is not vectorized. */
#define FOR_NUMBERS(rows, width, ...) \
  if ((width) == 1) { \
    const size_t n = 0, row_end = share_end(rows, 4); \
    NOT_VECTORIZED for (size_t row = share_begin(rows, 4); row < row_end; row++) { __VA_ARGS__ } \
  } else \
    EACH_NUMBER(rows, width) { __VA_ARGS__ }

/** The row of a matrix. */
#define ROW(x, ldx) ((x) + row * (size_t)(ldx))
/** The vector of a matrix in these loops. */
#define VECTOR(x, ldx) load_columns(ROW(x, ldx) + n, left)
/** Stores a vector into a matrix, or adds it. */
#define PUT_VECTOR(y, ldy, value, accumulate) put_columns(ROW(y, ldy) + n, left, value, accumulate)
/** The number of a matrix in these loops. */
#define NUMBER(x, ldx) (ROW(x, ldx)[n])
/** Stores a number into a matrix, or adds it. */
#define PUT_NUMBER(y, ldy, value, accumulate) put_number(ROW(y, ldy) + n, value, accumulate)

INLINE void put_number(float *at, float value, int accumulate) { *at = accumulate ? *at + value : value; }

#endif
