// Activations. A kernel may apply one to its results before it stores them if its slope depends on their sign alone.

#ifndef ACTIVATIONS_H
#define ACTIVATIONS_H

#include "math.h"
#include "scalar-functions.h"
#include "vector.h"

/** A function of a double, `lane`, for each lane of a vector. */
#define IN_LANES(x, function) \
  ({ \
    const vector operands_ = x; \
    float all_[LANES]; \
    memcpy(all_, &operands_, sizeof all_); \
    for (size_t j_ = 0; j_ < LANES; j_++) { \
      const double lane = all_[j_]; \
      all_[j_] = (float)(function); \
    } \
    vector results_; \
    memcpy(&results_, all_, sizeof all_); \
    results_; \
  })

/** The result of an activation whose slope depends on the sign of the result alone, or x if there is none. */
INLINE vector activated(const int activation, vector x_) {
#define RETURN_VALUE(_, code, value, slope) \
  if (activation == code) return value;
  EACH_FUSED_ACTIVATION(RETURN_VALUE, )
  return x_;
}
/** A gradient times the slope of such an activation, from its operand or its result. */
INLINE vector times_slope(const int activation, vector y_, vector d) {
#define RETURN_GRADIENT(_, code, value, slope) \
  if (activation == code) return d * (slope);
  EACH_FUSED_ACTIVATION(RETURN_GRADIENT, )
  return d;
}

#endif
