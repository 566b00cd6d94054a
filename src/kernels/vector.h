// A vector of the family of processors that is compiled for, and how a row of 8 to 32 columns is held in some.
// Loops over constants are unrolled, so that arrays of vectors are registers.

#ifndef VECTOR_H
#define VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "team.h"

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
// For loops that have few rounds.
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define ROLLED _Pragma("GCC unroll 1")
#endif

/** Columns of a panel. */
#define PANEL 8
// MOST_PANELS: panels that a tile has at the most, a power of 2; MOST_ROWS: its rows; together they fill
// the registers.
// VECTORS: vectors that hold so many panels.

#if defined(__AVX512F__)
#include <immintrin.h>
#if defined(__AVX512BF16__)
#define NAME(kernel) kernel##_avx512bf16
#else
#define NAME(kernel) kernel##_avx512
#endif
#define MOST_PANELS 4
#define MOST_ROWS 12
#define VECTORS(panels) (((panels) + 1) / 2)
#define LANES 16
typedef __m512 vector;
/** The columns of one panel, half a vector: processors that split vectors of 16 lanes compute two of them at a time. */
typedef __m256 panel_vector;
INLINE vector widen(panel_vector x) { return _mm512_zextps256_ps512(x); }
INLINE panel_vector first_panel(vector x) { return _mm512_castps512_ps256(x); }
INLINE vector splat(float x) { return _mm512_set1_ps(x); }
INLINE vector multiply_add(vector a, vector b, vector c) { return _mm512_fmadd_ps(a, b, c); }
/** The v-th vector of so many panels, which lie `gap` floats apart. */
INLINE vector load(const float *at, size_t gap, const int panels, const int v) {
  if (gap == 8 && 2 * v + 1 < panels) return _mm512_loadu_ps(at + 16 * v);
  const __m512 low = _mm512_zextps256_ps512(_mm256_loadu_ps(at + 2 * v * gap));
  return 2 * v + 1 < panels ? _mm512_insertf32x8(low, _mm256_loadu_ps(at + (2 * v + 1) * gap), 1) : low;
}
INLINE void store(float *at, size_t gap, const int panels, const int v, vector x) {
  if (gap == 8 && 2 * v + 1 < panels) {
    _mm512_storeu_ps(at + 16 * v, x);
    return;
  }
  _mm256_storeu_ps(at + 2 * v * gap, _mm512_castps512_ps256(x));
  if (2 * v + 1 < panels) _mm256_storeu_ps(at + (2 * v + 1) * gap, _mm512_extractf32x8_ps(x, 1));
}
INLINE vector square_root(vector x) { return _mm512_sqrt_ps(x); }
INLINE vector floor_of(vector x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
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
INLINE vector floor_of(vector x) { return _mm256_floor_ps(x); }
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
INLINE vector floor_of(vector x) { return vrndmq_f32(x); }
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
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#define NAME(kernel) kernel##_wasm
// V8 keeps one of sixteen registers for itself and spills what a tile of six rows needs: four rows are twice as fast.
#define MOST_PANELS 1
#define MOST_ROWS 4
#define VECTORS(panels) (2 * (panels))
#define LANES 4
typedef float vector __attribute__((vector_size(16)));
INLINE vector splat(float x) { return (vector)wasm_f32x4_splat(x); }
/** Fused if the build has relaxed SIMD. */
INLINE vector multiply_add(vector a, vector b, vector c) {
#if defined(__wasm_relaxed_simd__)
  return (vector)wasm_f32x4_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c);
#else
  return a * b + c;
#endif
}
INLINE vector load(const float *at, size_t gap, __attribute__((unused)) const int panels, const int v) {
  return (vector)wasm_v128_load(at + (size_t)(v / 2) * gap + (size_t)(4 * (v % 2)));
}
INLINE void store(float *at, size_t gap, __attribute__((unused)) const int panels, const int v, vector x) {
  wasm_v128_store(at + (size_t)(v / 2) * gap + (size_t)(4 * (v % 2)), (v128_t)x);
}
INLINE vector square_root(vector x) { return (vector)wasm_f32x4_sqrt((v128_t)x); }
INLINE vector floor_of(vector x) { return (vector)wasm_f32x4_floor((v128_t)x); }
INLINE vector load_some(const float *at, size_t left) {
  if (left >= LANES) return (vector)wasm_v128_load(at);
  if (left == 1) return (vector)wasm_v128_load32_zero(at);
  const v128_t two = wasm_v128_load64_zero(at);
  return (vector)(left == 2 ? two : wasm_v128_load32_lane(at + 2, two, 2));
}
INLINE void store_some(float *at, size_t left, vector x) {
  if (left >= LANES) {
    wasm_v128_store(at, (v128_t)x);
    return;
  }
  if (left == 1) wasm_v128_store32_lane(at, (v128_t)x, 0);
  else wasm_v128_store64_lane(at, (v128_t)x, 0);
  if (left == 3) wasm_v128_store32_lane(at + 2, (v128_t)x, 2);
}
#endif

// Columns of matrices come in fours, zero beyond their width, so that four lanes need no tail.
#if LANES == 4
INLINE vector load_columns(const float *at, __attribute__((unused)) size_t left) { return load_some(at, LANES); }
INLINE void store_columns(float *at, __attribute__((unused)) size_t left, vector x) { store_some(at, LANES, x); }
#else
/** The columns at `at`, of which `left` are left; as many as a vector has, and zeros beyond them. */
INLINE vector load_columns(const float *at, size_t left) { return load_some(at, left); }
/** Stores a vector of columns, or as many as are left. */
INLINE void store_columns(float *at, size_t left, vector x) { store_some(at, left, x); }
#endif

/** Rows that are read soon, `gap` floats from one to the next; the same one again where it is 0. */
typedef struct {
  const float *at;
  size_t gap;
} coming;
/** Requests a cache line before it is read; WebAssembly has no instruction for that. */
#if defined(__wasm__)
#define PREFETCH(at, ...) ((void)(at))
#else
#define PREFETCH(...) __builtin_prefetch(__VA_ARGS__)
#endif
/** Asks for so many floats of a row, for the second cache, while others are computed with. */
INLINE void ask_for(coming rows, size_t row, const int count) {
  UNROLL for (int i = 0; i < count; i += 16) PREFETCH(rows.at + row * rows.gap + i, 0, 2);
}

/** The bits of a vector; comparisons of vectors give -1 or 0 in each lane. */
typedef int32_t bits __attribute__((vector_size(sizeof(vector))));
/** a where the mask is -1, b where it is 0. */
INLINE vector select_of(bits mask, vector a, vector b) { return (vector)(((bits)a & mask) | ((bits)b & ~mask)); }
/** The larger of two, as WebAssembly has it: NaN if either is, and 0 rather than -0. */
INLINE vector max_of(vector a, vector b) {
#if defined(__wasm__)
  return (vector)wasm_f32x4_max((v128_t)a, (v128_t)b);
#else
  const bits takes_b = (bits)(b > a) | (bits)(b != b);
  return select_of((bits)(a == b), (vector)((bits)a & (bits)b), select_of(takes_b, b, a));
#endif
}
/** Stores a vector of columns, or adds it to them. */
INLINE void put_columns(float *at, size_t left, vector x, int accumulate) {
  if (accumulate) x += load_columns(at, left);
  store_columns(at, left, x);
}

/** 2^n, for n from -126 to 127. */
INLINE vector power_of_two(bits n) {
  const bits bias = {0}, exponent = n + (bias + 127);
  return (vector)(exponent << 23);
}
/** A value within bounds; NaN if it is, which a selection may not be if the compiler makes relaxed SIMD of it. */
INLINE vector clamp(vector value, vector low, vector high) {
#if defined(__wasm__)
  return (vector)wasm_f32x4_pmax(wasm_f32x4_pmin((v128_t)value, (v128_t)high), (v128_t)low);
#elif LANES == 16
  return _mm512_max_ps(low, _mm512_min_ps(high, value));
#else
  return select_of(value > high, high, select_of(value < low, low, value));
#endif
}
/** x 2^n, for integers n from -126 to 128. */
INLINE vector times_power(vector x, vector n) {
#if LANES == 16
  return _mm512_scalef_ps(x, n);
#else
  // In two factors, of which each is a number.
  const bits exponent = __builtin_convertvector(n, bits), half = exponent >> 1;
  return x * power_of_two(half) * power_of_two(exponent - half);
#endif
}
/** e^x to 2 units in the last place (Moshier's Cephes, expf); NaN if x is. */
INLINE vector exp_of(vector value) {
  const vector x = clamp(value, splat(-87.33654f), splat(88.72283f));
  const vector n = floor_of(x * splat(1.44269504088896341f) + splat(0.5f));
  const vector r = x - n * splat(0.693359375f) - n * splat(-2.12194440e-4f);
  vector p = splat(1.9875691500e-4f);
  p = p * r + splat(1.3981999507e-3f);
  p = p * r + splat(8.3334519073e-3f);
  p = p * r + splat(4.1665795894e-2f);
  p = p * r + splat(1.6666665459e-1f);
  p = p * r + splat(5.0000001201e-1f);
  return times_power(p * r * r + r + splat(1), n);
}
/** 1 / (1 + e^-x) */
INLINE vector sigmoid_of(vector x) { return splat(1) / (splat(1) + exp_of(-x)); }
/** 2 σ(2x) - 1 */
INLINE vector tanh_of(vector x) { return splat(2) * sigmoid_of(splat(2) * x) - splat(1); }

/** Four floats, however many a vector has: sums by fours have the same order in every family. */
typedef float four __attribute__((vector_size(16)));
typedef int32_t four_bits __attribute__((vector_size(16)));
INLINE four splat_four(float x) { return (four){x, x, x, x}; }
#if LANES == 4
INLINE four load_four(const float *at, size_t left) { return load_some(at, left); }
INLINE void store_four(float *at, size_t left, four x) { store_some(at, left, x); }
INLINE four root_four(four x) { return square_root(x); }
INLINE four clamp_four(four value, four low, four high) { return clamp(value, low, high); }
#else
INLINE four load_four(const float *at, size_t left) {
  four x = {0};
  memcpy(&x, at, left >= 4 ? sizeof x : left * sizeof *at);
  return x;
}
INLINE void store_four(float *at, size_t left, four x) { memcpy(at, &x, left >= 4 ? sizeof x : left * sizeof *at); }
INLINE four root_four(four x) {
  return (four){__builtin_sqrtf(x[0]), __builtin_sqrtf(x[1]), __builtin_sqrtf(x[2]), __builtin_sqrtf(x[3])};
}
INLINE four clamp_four(four value, four low, four high) { return _mm_max_ps(low, _mm_min_ps(high, value)); }
#endif
/** a b + c, fused where `multiply_add` is. */
INLINE four multiply_add_four(four a, four b, four c) {
#if LANES == 4
  return multiply_add(a, b, c);
#elif defined(__x86_64__)
  return _mm_fmadd_ps(a, b, c);
#endif
}
/** The lanes of four floats, added from the first to the last. */
INLINE float sum_of_four(four x) { return x[0] + x[1] + x[2] + x[3]; }
/** Two doubles. */
typedef double two __attribute__((vector_size(16)));
INLINE two low_half(four x) { return (two){x[0], x[1]}; }
INLINE two high_half(four x) { return (two){x[2], x[3]}; }
/** Four floats from twice two doubles. */
INLINE four narrow(two low, two high) { return (four){(float)low[0], (float)low[1], (float)high[0], (float)high[1]}; }

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

/** A mask of as many lanes as `count`, from the first on. */
INLINE bits first_lanes(int32_t count) {
  bits index = {0};
  for (int j = 0; j < LANES; j++) index[j] = j;
  return index < count;
}
/** The largest lane. */
INLINE float largest_of(vector x) {
  float all[LANES];
  memcpy(all, &x, sizeof x);
  float most = all[0];
  for (size_t j = 1; j < LANES; j++) most = all[j] > most ? all[j] : most;
  return most;
}
/** Adds the lanes of a vector by fours, from the first to the last. */
INLINE four add_fours(four sum, vector x) {
  four all[LANES / 4];
  memcpy(all, &x, sizeof x);
  for (size_t j = 0; j < LANES / 4; j++) sum += all[j];
  return sum;
}

/** Remembers that a number with an infinite square was seen, if one is among these. */
INLINE void keep(vector seen) { saw_other |= !saw_finite(seen); }
INLINE void watch(vector x) { keep(look(splat(0), x)); }
/** A vector to which four numbers are added as NaN or 0, as `look` does. */
INLINE four look_four(four seen, four x) { return seen + x * splat_four(18446744073709551616.0f) * splat_four(0); }
INLINE void keep_four(four seen) {
  saw_other |= seen[0] != seen[0] || seen[1] != seen[1] || seen[2] != seen[2] || seen[3] != seen[3];
}

/** Loops over the vectors of a row of columns: `n` is the first column, and `left` columns are left. */
#define EACH_SPAN(columns) \
  ROLLED for (size_t n = 0, left = (size_t)(columns); n < (size_t)(columns); n += LANES, left -= LANES)

/** Runs statements for vectors of columns, `i` the first column and `left` how many the vector has at most. */
#define EACH_COLUMNS(count, ...) \
  IN_GROUPS(count, LANES, __VA_ARGS__)
/** The same for groups of four columns. */
#define EACH_FOUR(count, ...) IN_GROUPS(count, 4, __VA_ARGS__)
#define IN_GROUPS(count, size, ...) \
  { \
    const size_t columns = (count); \
    size_t i = 0; \
    for (; i + (size) <= columns; i += (size)) { \
      const size_t left = (size); \
      __VA_ARGS__ \
    } \
    if (i < columns) { \
      const size_t left = columns - i; \
      __VA_ARGS__ \
    } \
  }

#endif
