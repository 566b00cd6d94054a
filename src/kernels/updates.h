// What the rules of optimizers have in common. A rule is a function of a row: weights w, what it keeps at s, gradients
// g, all of
// `width` floats, and its constants, as updates.ts and the files in ../optimizers have them.

#ifndef UPDATES_H
#define UPDATES_H

#include "kernels.h"
#include "vector.h"

/** Where a rule's own constants begin: before them come the gradient's scale, λ₁, λ₂, and its limit. */
#define FIRST_OWN 4

/** The gradient as a rule takes it: scaled, brought within ± limit, with λ₂ w + λ₁ sign(w) added. */
#define PENALIZED(name, type, mask, splat) \
  INLINE type name(type raw, type w, const float *c) { \
    const type scaled = raw * splat(c[0]), low = splat(-c[3]), high = splat(c[3]), one = splat(1); \
    const mask is_below = (mask)(scaled < low); \
    const type raised = (type)(((mask)low & is_below) | ((mask)scaled & ~is_below)); \
    const mask is_above = (mask)(high < raised); \
    const type limited = (type)(((mask)high & is_above) | ((mask)raised & ~is_above)); \
    const type sign = (type)((mask)one & (mask)(w > splat(0))) - (type)((mask)one & (mask)(w < splat(0))); \
    return limited + splat(c[2]) * w + splat(c[1]) * sign; \
  }
PENALIZED(penalized, vector, bits, splat)
PENALIZED(penalized_four, four, four_bits, splat_four)

#endif
