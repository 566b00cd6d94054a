// How the rules of optimizers go over the distinct rows of a table, with the results of updates.ts to the bit. Compiled
// once for each
// family of processors. A row's weights and what the rule keeps for it lie side by side.

#include "updates.h"
#include "rule-adagrad.h"
#include "rule-adam.h"
#include "rule-ftrl.h"
#include "rule-lamb.h"
#include "rule-rmsprop.h"
#include "rule-row-wise-adagrad.h"
#include "rule-sgd.h"

/** Rows that are on their way from memory. */
#define AHEAD 12
#define LINE 64

#define EACH_ROW(rule, width) \
  for (size_t u = begin; u < end; u++) { \
    if (u + AHEAD < end) { \
      const char *next = (const char *)(table + distinct[u + AHEAD] * stride); \
      for (size_t line = 0; line < stride * sizeof(float); line += LINE) PREFETCH(next + line, 1); \
    } \
    float *at = table + distinct[u] * stride; \
    rule##_row(at, at + (width), width, gradients + u * (width), constants); \
  }

#define UPDATE(rule, name) \
  int NAME(rule##_rows)( \
    float *table, size_t most, size_t stride, size_t width, const uint32_t *distinct, const float *gradients, \
    size_t begin, size_t end, const float *constants_at \
  ) { \
    size_t above = 0; \
    for (size_t u = begin; u < end; u++) above += distinct[u] >= most; \
    if (above > 0) return 0; \
    /* Of its own, so that no row's numbers could be among them. */ \
    float constants[RULE_CONSTANTS]; \
    memcpy(constants, constants_at, sizeof constants); \
    switch (width) { \
      case 4: EACH_ROW(rule, 4) break; \
      case 8: EACH_ROW(rule, 8) break; \
      case 16: EACH_ROW(rule, 16) break; \
      case 32: EACH_ROW(rule, 32) break; \
      default: EACH_ROW(rule, width) \
    } \
    return 1; \
  }
RULES(UPDATE)
