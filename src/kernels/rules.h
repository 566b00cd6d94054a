// What the rules of optimizers share. A rule updates a row: `count` weights w, its state s, whose second part is `gap`
// floats behind the first, by the gradients g (NULL: zeros). Constants start with the gradient's scale, λ₁, λ₂ and its
// limit; the rule's own follow.

#ifndef RULES_H
#define RULES_H

#include "vector.h"

/** Index of a rule's first own constant, and the maximum number of constants. */
#define FIRST_OWN 4
#define MAX_CONSTANTS 12

/** Scales a gradient, limits it to ± limit and adds λ₂ w + λ₁ sign(w). */
#define PENALIZE(suffix, type, mask, splat) \
  INLINE type penalize##suffix(type raw, type w, const float *c) { \
    const type limited = clamp##suffix(raw * splat(c[0]), splat(-c[3]), splat(c[3])), one = splat(1); \
    const type sign = (type)((mask)one & (mask)(w > splat(0))) - (type)((mask)one & (mask)(w < splat(0))); \
    return limited + splat(c[2]) * w + splat(c[1]) * sign; \
  }
PENALIZE(, vector, bits, splat)
PENALIZE(_four, four, four_bits, splat_four)

/** Gradient of a vector of weights, or of four, as a rule uses it. */
INLINE vector gradient_of(const float *g, size_t left, vector w, const float *c) {
  return penalize(g ? load_some(g, left) : splat(0), w, c);
}
INLINE four gradient_of_four(const float *g, size_t left, four w, const float *c) {
  return penalize_four(g ? load_four(g, left) : splat_four(0), w, c);
}

/** Defines a rule's update of a row by that of a vector of its columns, of which `left` are left. */
#define ROW_BY_COLUMNS(rule) \
  INLINE void rule##_row(float *w, float *s, size_t gap, const float *g, size_t count, const float *c) { \
    EACH_COLUMNS(count, rule##_columns(w + i, s + i, gap, g ? g + i : g, left, c);) \
  }

#endif
