// Matrix products of operands that are rounded to bfloat16: bitwise what AVX-512's VDPBF16PS computes. It takes pairs
// of neighbors and adds the product of the second one first, each rounded to nearest, ties to even, with denormal
// numbers as 0 (Intel, Software Developer's Manual, volume 2, VDPBF16PS). A product of two such numbers is exact in
// single precision, so fusing it with its addition changes nothing. No sum is denormal, since operands below 2^-56
// count as 0.

#include "vector.h"

/** Smaller operands count as 0. */
#define MIN_MAGNITUDE 0x1p-56f

#if defined(__AVX512BF16__)
/** A pair, the first number in its low half. */
typedef uint32_t operand;
typedef __m512i operands;
#define STEP 2
INLINE size_t turn(size_t n, __attribute__((unused)) size_t count) { return n; }

INLINE __m256i rounded(__m512 x) {
  const __mmask16 counts = _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(MIN_MAGNITUDE), _CMP_NLT_UQ);
  return (__m256i)_mm512_maskz_cvtneps_pbh(counts, x);
}
INLINE __mmask16 some(size_t left) { return (__mmask16)(left >= LANES ? 0xffff : (1u << left) - 1); }

INLINE operands load_operands(const operand *at, const int panels, const int v) {
  return 2 * v + 1 < panels ? _mm512_loadu_si512(at + 16 * v)
                            : _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)(at + 16 * v)));
}
INLINE vector add_product(vector sums, operand x, operands y) {
  return _mm512_dpbf16_ps(sums, (__m512bh)_mm512_set1_epi32((int)x), (__m512bh)y);
}
INLINE __m256i panel_operands(const operand *at) { return _mm256_loadu_si256((const __m256i *)at); }
INLINE panel_vector add_panel(panel_vector sums, operand x, __m256i y) {
  return _mm256_dpbf16_ps(sums, (__m256bh)_mm256_set1_epi32((int)x), (__m256bh)y);
}
INLINE void pack_neighbors(const float *row, size_t count, operand *to) {
  for (size_t i = 0; i < count; i += LANES) {
    const __m256i all = rounded(load_some(row + i, count - i));
    _mm256_mask_storeu_epi32(to + i / 2, (__mmask8)some((count - i + 1) / 2), all);
  }
}
INLINE void pack(const float *row, size_t gap, int has_next, size_t count, operand *to, uint32_t padding) {
  for (size_t i = 0; i < count; i += LANES) {
    const __m512i first = _mm512_cvtepu16_epi32(rounded(load_some(row + i, count - i)));
    const __m512i second = has_next
      ? _mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded(load_some(row + gap + i, count - i))), 16)
      : _mm512_set1_epi32((int)padding);
    _mm512_mask_storeu_epi32(to + i, some(count - i), _mm512_or_si512(first, second));
  }
}
#else
typedef float operand;
typedef vector operands;
#define STEP 1
/** Neighbors change places, except for the last one if it has none. */
INLINE size_t turn(size_t n, size_t count) { return (n ^ 1) < count ? n ^ 1 : n; }

/** Rounds to the nearest of 8 significant bits, ties to even, and the smallest to 0; NaN remains. */
INLINE vector rounded(vector x) {
  typedef uint32_t words __attribute__((vector_size(sizeof(vector))));
  const words all = (words)x, near = (all + 0x7fff + ((all >> 16) & 1)) & 0xffff0000u;
  const words is_small = (words)((vector)(all & 0x7fffffffu) < splat(MIN_MAGNITUDE));
  return (vector)((near & ~is_small) | (words)(x != x));
}
INLINE operands load_operands(const operand *at, const int panels, const int v) {
  return rounded(load(at, PANEL, panels, v));
}
INLINE vector add_product(vector sums, operand x, operands y) { return multiply_add(rounded(splat(x)), y, sums); }
#if LANES == 16
INLINE __m256 panel_operands(const operand *at) { return first_panel(rounded(widen(_mm256_loadu_ps(at)))); }
INLINE panel_vector add_panel(panel_vector sums, operand x, __m256 y) {
  return _mm256_fmadd_ps(first_panel(rounded(splat(x))), y, sums);
}
#endif
INLINE void pack(
  const float *row, __attribute__((unused)) size_t gap, __attribute__((unused)) int has_next, size_t count, operand *to,
  __attribute__((unused)) uint32_t padding
) {
  memcpy(to, row, count * sizeof *row);
}
#endif
#include "products.h"

/** Multiplies as gemm does. */
KERNEL(gemmBf16)(
  const float *a, int32_t lda, const float *panelsAt, const float *bias, float *c, int32_t ldc, int32_t rows,
  int32_t k, int32_t panels, int32_t accumulate, int32_t activation, int32_t activatedPanels
) {
  multiply(a, lda, panelsAt, bias, c, ldc, rows, k, panels, accumulate, activation, (size_t)activatedPanels);
}

/** Computes the gradient of weights as gemmGradient does. */
KERNEL(gemmGradientBf16)(
  const float *x, int32_t ldx, const float *d, int32_t ldd, float *g, int32_t rows, int32_t k, int32_t panels,
  int32_t accumulate
) {
  multiply_gradient(x, ldx, d, ldd, g, rows, k, panels, accumulate);
}
