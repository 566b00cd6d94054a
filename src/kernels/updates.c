// Updates of weights by the rules of optimizers: dense ones in shares, those of a table by distinct rows.

#include "rules.h"
#include "rule-adagrad.h"
#include "rule-adam.h"
#include "rule-ftrl.h"
#include "rule-lamb.h"
#include "rule-rmsprop.h"
#include "rule-row-wise-adagrad.h"
#include "rule-sgd.h"
#include "tables.h"

#if defined(__wasm__)
// Unrolling for widths would almost double the size of the module, for little.
#undef BY_WIDTH
#define BY_WIDTH(width, each, ...) each(width, __VA_ARGS__)
#endif

/** Updates the distinct rows from `begin` to `end`. */
#define UPDATE_DISTINCT(width, rule) \
  for (size_t u = begin; u < end; u++) { \
    fetch_distinct(table, (size_t)stride, distinct, u, begin, end); \
    float *at = table + distinct[u] * (size_t)stride; \
    const float *g = gradients + u * (width); \
    if (g == NULL) __builtin_unreachable(); /* Saves the rule a branch. */ \
    rule##_row(at, at + (width), (width), g, (width), c); \
  }

/** Copies constants, so that stores of rows cannot change them. */
#define COPY_CONSTANTS \
  float c[MAX_CONSTANTS]; \
  memcpy(c, constants, sizeof c);

/** Updates dense weights by shares of workers, unless `refused` is 1; `gap` is in bytes. */
#define DENSE_KERNEL(rule) \
  KERNEL(rule##Dense)( \
    float *w, float *s, size_t gap, const float *g, int32_t count, const float *constants, const int32_t *refused \
  ) { \
    if (*refused) return; \
    COPY_CONSTANTS \
    const size_t begin = share_begin(count, 16), end = share_end(count, 16); \
    rule##_row(w + begin, s + begin, gap / sizeof *s, g ? g + begin : g, end - begin, c); \
  }

/** Updates a dense tensor by the worker whose turn it is, for a rule that depends on the whole tensor. */
#define TENSOR_KERNEL(rule) \
  KERNEL(rule##Tensor)( \
    float *w, float *s, size_t gap, const float *g, int32_t count, const float *constants, const int32_t *refused, \
    int32_t turn \
  ) { \
    if (*refused || !is_turn(turn)) return; \
    COPY_CONSTANTS \
    rule##_row(w, s, gap / sizeof *s, g, (size_t)count, c); \
  }

/**
 * Updates the distinct rows of a table that a batch touched, or all rows if `tableRows` is not 0 (not lazy), by shares
 * of workers, unless `refused` is 1. A row's weights and its state are adjacent.
 */
#define TABLE_KERNEL(rule) \
  KERNEL(rule##Table)( \
    float *table, int32_t stride, int32_t width, uint32_t *hash, uint32_t *distinct, const float *gradients, \
    const uint32_t *countAt, const float *constants, const int32_t *refused, int32_t tableRows \
  ) { \
    if (*refused) return; \
    COPY_CONSTANTS \
    const distinct_rows known = open_rows(hash, distinct, countAt); \
    const int32_t count = tableRows ? tableRows : (int32_t)known.count; \
    const size_t begin = share_begin(count, 1), end = share_end(count, 1); \
    if (tableRows) { \
      for (size_t row = begin; row < end; row++) { \
        const uint32_t number = *slot_of(&known, (uint32_t)row); \
        float *at = table + row * (size_t)stride; \
        const float *g = number < known.count ? gradients + number * (size_t)width : NULL; \
        rule##_row(at, at + width, (size_t)width, g, (size_t)width, c); \
      } \
      return; \
    } \
    BY_WIDTH((size_t)width, UPDATE_DISTINCT, rule) \
  }

DENSE_KERNEL(adagrad)
DENSE_KERNEL(adam)
DENSE_KERNEL(ftrl)
DENSE_KERNEL(rmsprop)
DENSE_KERNEL(sgd)
TENSOR_KERNEL(lamb)
TABLE_KERNEL(adagrad)
TABLE_KERNEL(adam)
TABLE_KERNEL(ftrl)
TABLE_KERNEL(lamb)
TABLE_KERNEL(rmsprop)
TABLE_KERNEL(rowWiseAdagrad)
TABLE_KERNEL(sgd)
