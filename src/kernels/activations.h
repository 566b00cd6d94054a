// Activations. A kernel may apply one to its results before it stores them if its slope depends on their sign alone.

#ifndef ACTIVATIONS_H
#define ACTIVATIONS_H

#include "vector.h"

/** Codes of activations, in the order of `CODES` in engines/compile/operations/activation.ts. */
enum { NO_ACTIVATION, RELU, LEAKY_RELU, SIGMOID, TANH, GELU, SWISH };
#define LEAK 0.01f

/** The result of an activation whose slope depends on the sign of the result alone, or x if there is none. */
INLINE vector activated(const int activation, vector x) {
  if (activation == RELU) return max_of(x, splat(0));
  if (activation == LEAKY_RELU) return max_of(x, x * splat(LEAK));
  return x;
}
/** A gradient times the slope of such an activation, from its operand or its result. */
INLINE vector times_slope(const int activation, vector x, vector d) {
  if (activation == RELU) return d * select_of(x > splat(0), splat(1), splat(0));
  if (activation == LEAKY_RELU) return d * select_of(x > splat(0), splat(1), splat(LEAK));
  return d;
}

#endif
