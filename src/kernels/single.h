// Operands of matrix products in single precision.

#ifndef SINGLE_H
#define SINGLE_H

#include "vector.h"

typedef float operand;
typedef vector operands;
#define STEP 1
INLINE size_t turn(size_t n, __attribute__((unused)) size_t count) { return n; }
INLINE operands load_operands(const operand *at, const int panels, const int v) { return load(at, PANEL, panels, v); }
INLINE vector add_product(vector sums, operand x, operands y) { return multiply_add(splat(x), y, sums); }
#if LANES == 16
INLINE __m256 panel_operands(const operand *at) { return _mm256_loadu_ps(at); }
INLINE panel_vector add_panel(panel_vector sums, operand x, __m256 y) {
  return _mm256_fmadd_ps(_mm256_set1_ps(x), y, sums);
}
#endif
INLINE void pack(
  const float *row, __attribute__((unused)) size_t gap, __attribute__((unused)) int has_next, size_t count, operand *to,
  __attribute__((unused)) uint32_t padding
) {
  memcpy(to, row, count * sizeof *row);
}
#include "products.h"

#endif
