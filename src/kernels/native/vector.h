// A vector of the family of processors that is compiled for, and how a row of 8 to 32 columns is held in some.
// Loops over constants are unrolled, so that arrays of vectors are registers.

#ifndef VECTOR_H
#define VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

// MOST_PANELS: panels of 8 columns that a tile has at the most, a power of 2; MOST_ROWS: its rows; together they fill
// the registers.
// VECTORS: vectors that hold so many panels.

#if defined(__AVX512F__)
#include <immintrin.h>
#define NAME(kernel) kernel##_avx512
#define MOST_PANELS 4
#define MOST_ROWS 12
#define VECTORS(panels) (((panels) + 1) / 2)
#define LANES 16
typedef __m512 vector;
INLINE vector splat(float x) { return _mm512_set1_ps(x); }
INLINE vector multiply_add(vector a, vector b, vector c) { return _mm512_fmadd_ps(a, b, c); }
/** The v-th vector of so many panels, which lie `gap` floats apart. */
INLINE vector load(const float *at, size_t gap, const int panels, const int v) {
  if (gap == 8 && 2 * v + 1 < panels) return _mm512_loadu_ps(at + 16 * v);
  const __m512 low = _mm512_zextps256_ps512(_mm256_loadu_ps(at + 2 * v * gap));
  return 2 * v + 1 < panels ? _mm512_insertf32x8(low, _mm256_loadu_ps(at + (2 * v + 1) * gap), 1) : low;
}
INLINE void store(float *at, size_t gap, const int panels, const int v, vector x) {
  _mm256_storeu_ps(at + 2 * v * gap, _mm512_castps512_ps256(x));
  if (2 * v + 1 < panels) _mm256_storeu_ps(at + (2 * v + 1) * gap, _mm512_extractf32x8_ps(x, 1));
}
INLINE vector square_root(vector x) { return _mm512_sqrt_ps(x); }
/** The floats at `at`; where fewer than a vector's are left, those, and zeros behind them. */
INLINE vector load_some(const float *at, size_t left) {
  return left >= LANES ? _mm512_loadu_ps(at) : _mm512_maskz_loadu_ps((__mmask16)((1u << left) - 1), at);
}
/** Stores a vector, or as many of its floats as are left. */
INLINE void store_some(float *at, size_t left, vector x) {
  if (left >= LANES) _mm512_storeu_ps(at, x);
  else _mm512_mask_storeu_ps(at, (__mmask16)((1u << left) - 1), x);
}
#elif defined(__AVX2__)
#include <immintrin.h>
#define NAME(kernel) kernel##_avx2
#define MOST_PANELS 2
#define MOST_ROWS 6
#define VECTORS(panels) (panels)
#define LANES 8
typedef __m256 vector;
INLINE vector splat(float x) { return _mm256_set1_ps(x); }
INLINE vector multiply_add(vector a, vector b, vector c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vector load(const float *at, size_t gap, __attribute__((unused)) const int panels, const int v) {
  return _mm256_loadu_ps(at + v * gap);
}
INLINE void store(float *at, size_t gap, __attribute__((unused)) const int panels, const int v, vector x) {
  _mm256_storeu_ps(at + v * gap, x);
}
INLINE vector square_root(vector x) { return _mm256_sqrt_ps(x); }
/** As many lanes as are left, from the left on. */
INLINE __m256i lanes(size_t left) {
  static const int32_t edge[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256((const __m256i *)(edge + LANES - left));
}
INLINE vector load_some(const float *at, size_t left) {
  return left >= LANES ? _mm256_loadu_ps(at) : _mm256_maskload_ps(at, lanes(left));
}
INLINE void store_some(float *at, size_t left, vector x) {
  if (left >= LANES) _mm256_storeu_ps(at, x);
  else _mm256_maskstore_ps(at, lanes(left), x);
}
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#define NAME(kernel) kernel##_neon
#define MOST_PANELS 2
#define MOST_ROWS 6
#define VECTORS(panels) (2 * (panels))
#define LANES 4
typedef float32x4_t vector;
INLINE vector splat(float x) { return vdupq_n_f32(x); }
INLINE vector multiply_add(vector a, vector b, vector c) { return vfmaq_f32(c, a, b); }
INLINE vector load(const float *at, size_t gap, __attribute__((unused)) const int panels, const int v) {
  return vld1q_f32(at + (v / 2) * gap + 4 * (v % 2));
}
INLINE void store(float *at, size_t gap, __attribute__((unused)) const int panels, const int v, vector x) {
  vst1q_f32(at + (v / 2) * gap + 4 * (v % 2), x);
}
INLINE vector square_root(vector x) { return vsqrtq_f32(x); }
INLINE vector load_some(const float *at, size_t left) {
  if (left >= LANES) return vld1q_f32(at);
  float all[LANES] = {0};
  memcpy(all, at, left * sizeof *at);
  return vld1q_f32(all);
}
INLINE void store_some(float *at, size_t left, vector x) {
  if (left >= LANES) {
    vst1q_f32(at, x);
    return;
  }
  float all[LANES];
  vst1q_f32(all, x);
  memcpy(at, all, left * sizeof *at);
}
#endif

/** Rows that are read soon, `gap` floats from one to the next; the same one again where it is 0. */
typedef struct {
  const float *at;
  size_t gap;
} coming;
/** Asks for so many floats of a row, for the second cache, while others are computed with. */
INLINE void ask_for(coming rows, size_t row, const int count) {
  UNROLL for (int i = 0; i < count; i += 16) __builtin_prefetch(rows.at + row * rows.gap + i, 0, 2);
}

/** The bits of a vector. */
typedef int32_t bits __attribute__((vector_size(sizeof(vector))));

/** A vector to which whatever is not finite when squared has been added as NaN, and whatever is finite as 0. */
INLINE vector look(vector seen, vector x) { return seen + x * splat(18446744073709551616.0f) * splat(0); }
/** Whether all that was looked at had finite squares. */
INLINE int saw_finite(vector seen) {
  float all[LANES];
  memcpy(all, &seen, sizeof seen);
  int is_finite = 1;
  for (size_t j = 0; j < LANES; j++) is_finite &= all[j] == all[j];
  return is_finite;
}

#endif
