// Exponentials and logarithms, with errors below 1 unit in the last place. They have no branch, table or fused
// operation: compilers can vectorize them, and every build has the same bits. The coefficients are minimax
// polynomials by Remez's algorithm.

#ifndef MATH_H
#define MATH_H

#include <stdint.h>
#include <string.h>
#include "vector.h"

/** log 2 in two parts; the first has 12 zero bits at its end, so that its products with exponents are exact. */
#define LN2_HIGH 0x1.62e42fefa3p-1
#define LN2_LOW 0x1.3de6af278ece6p-42
/** 1.5 · 2^52: the last bits of its sums with small numbers are these, rounded to integers. */
#define ROUNDER 0x1.8p52
/** 2π */
#define TURN 0x1.921fb54442d18p+2
#define DOUBLE_INFINITY __builtin_inf()

/** The larger and the smaller number, as WebAssembly has them: NaN if one is, and 0 is larger than -0. */
#if defined(__wasm__)
INLINE float max_single(float a, float b) { return __builtin_wasm_max_f32(a, b); }
INLINE float min_single(float a, float b) { return __builtin_wasm_min_f32(a, b); }
INLINE double max_double(double a, double b) { return __builtin_wasm_max_f64(a, b); }
#else
// Equal numbers that differ are zeros.
#define EXTREME(name, type, sign, is_before) \
  INLINE type name(type a, type b) { \
    return a is_before b ? a : b is_before a ? b : a != b ? a + b : sign __builtin_signbit(a) ? a : b; \
  }
EXTREME(max_single, float, !, >)
EXTREME(min_single, float, !!, <)
EXTREME(max_double, double, !, >)
#endif

INLINE int64_t bits_of_double(double x) {
  int64_t all;
  memcpy(&all, &x, sizeof x);
  return all;
}
INLINE double double_of_bits(int64_t all) {
  double x;
  memcpy(&x, &all, sizeof x);
  return x;
}
/** 2^n, for n from -1022 to 1023. */
INLINE double power_of_two_double(int64_t n) { return double_of_bits((int64_t)((uint64_t)(n + 1023) << 52)); }
/**
 * x as n log 2 + r with |r| ≤ log 2 / 2 (Cody & Waite 1980), and e^r as 1 + r + tail, for |x| < 1100. `is_precise`:
 * r²/2 is a sum without rounding errors, since e^x - 1 is as small as 0.6 r for n = 1.
 */
typedef struct {
  int64_t n;
  double r, tail;
} reduced;
INLINE reduced reduce(double x, const int is_precise) {
  const double shifted = x * 0x1.71547652b82fep+0 + ROUNDER, n = shifted - ROUNDER;
  // `high` is exact; r is the sum of both parts, and `tail` has what is lost by taking `high` for it.
  const double high = x - n * LN2_HIGH, low = n * LN2_LOW, r = high - low, r2 = r * r, r4 = r2 * r2;
  // (e^r - 1 - r - r²/2) / r² to 2^-59 (Estrin's scheme).
  const double p0 = 0x1.5555555555557p-3 * r, p1 = 0x1.5555555555558p-5 + 0x1.11111111100dap-7 * r,
               p2 = 0x1.6c16c16c151fap-10 + 0x1.a01a01abe8bddp-13 * r,
               p3 = 0x1.a01a01acfb98cp-16 + 0x1.71de022f3948ap-19 * r,
               p4 = 0x1.27e4cccc46c7bp-22 + 0x1.af4dee5ccd1c7p-26 * r, p5 = 0x1.1f8b4ebf7ff2bp-29;
  const double p = p0 + p1 * r2 + (p2 + p3 * r2 + (p4 + p5 * r2) * r4) * r4;
  // r without the last half of its bits, whose square is exact, and the others.
  const double front = double_of_bits(bits_of_double(r) & ~(int64_t)0x7ffffff), back = (high - front) - low;
  const double tail = is_precise ? 0.5 * (front * front) + (0.5 * (back * (r + front)) + (r2 * p - low))
                                 : 0.5 * r2 + (r2 * p - low);
  return (reduced){bits_of_double(shifted) - bits_of_double(ROUNDER), high, tail};
}
/** one + r + tail, where `one` is 0 or at least |r|: the sum of the first two is exact (Dekker 1971, Fast2Sum). */
INLINE double sum_reduced(double one, reduced x) {
  const double sum = one + x.r, rest = x.r - (sum - one);
  return sum + (rest + x.tail);
}
/** 2^n x in two factors, since n is from -1076 to 1024: a result is rounded once if it is below normal numbers. */
INLINE double scale_double(double x, int64_t n) {
  const int64_t half = n >> 1;
  return x * power_of_two_double(half) * power_of_two_double(n - half);
}

/** e^x. Results are replaced if x is too large or small: bounds of x could lose NaN in relaxed SIMD. */
INLINE double exp_double(double x) {
  const reduced parts = reduce(x, 0);
  const double all = scale_double(sum_reduced(1, parts), parts.n);
  return x > 710 ? DOUBLE_INFINITY : x < -746 ? 0 : all;
}

/** e^x - 1 as 2^n ((1 - 2^-n) + r + tail). */
INLINE double expm1_double(double x) {
  const reduced parts = reduce(x, 1);
  const double small = power_of_two_double(parts.n < 100 ? -parts.n : -100), one = 1 - small;
  // What 1 - 2^-n loses by rounding; it matters for n = 54.
  const double lost = (1 - one) - small;
  const double all = scale_double(sum_reduced(one, (reduced){parts.n, parts.r, parts.tail + lost}), parts.n);
  const double any = x > 710 ? DOUBLE_INFINITY : x < -40 ? -1 : all;
  return x == 0 ? x : any;
}

/**
 * n log 2 + log(1 + f) + c / (1 + f), for f from √½ - 1 to ½ and c below a unit in the last place of 1 + f, if `has_c`.
 * With s = f / (2 + f), log(1 + f) is 2 atanh(s) = 2s + s R(s²), and 2s is f - f²/2 + s f²/2.
 */
INLINE double log_sum(double n, double f, double c, const int has_c) {
  const double s = f / (2 + f), z = s * s, z2 = z * z, half = 0.5 * f * f;
  // R(z) to 2^-61, for z up to 0.04.
  const double odd = 0x1.555555555554fp-1 +
                     z2 * (0x1.24924921eafcdp-2 + z2 * (0x1.745c4c440e566p-3 + z2 * 0x1.0dcea05940c5ap-3)),
               even = 0x1.999999999c109p-2 +
                      z2 * (0x1.c71c7489c6533p-3 + z2 * (0x1.3b35929b25f95p-3 + z2 * 0x1.1b6cf3fd5b4abp-3));
  const double tail = s * (half + (z * odd + z2 * even));
  const double first = n * LN2_HIGH, sum = first + f, rest = (first - sum) + f;
  // 1 / (1 + f) is (1 - s) / (1 + s).
  const double low = has_c ? n * LN2_LOW + c * (1 - 2 * s * (1 - s)) : n * LN2_LOW;
  return sum + (rest - (half - (tail + low)));
}
/** The exponent n of x = 2^n m, for normal x and m from √½ to √2. */
INLINE int64_t exponent_of(double x) { return (bits_of_double(x) - bits_of_double(0x1.6a09e667f3bcdp-1)) >> 52; }
/** An integer as a double: no family but AVX-512 has that conversion for vectors. */
INLINE double double_of(int64_t n) { return double_of_bits(n + bits_of_double(ROUNDER)) - ROUNDER; }
/** x with n less for its exponent. */
INLINE double unscaled(double x, int64_t n) { return double_of_bits(bits_of_double(x) - (int64_t)((uint64_t)n << 52)); }

/** log x */
INLINE double log_double(double x) {
  const int is_small = x < 0x1p-1022;
  const double normal = x * (is_small ? 0x1p54 : 1);
  const int64_t n = exponent_of(normal);
  const double all = log_sum(double_of(n) - (is_small ? 54 : 0), unscaled(normal, n) - 1, 0, 0);
  const double outside = x == 0 ? -DOUBLE_INFINITY : x > 0 ? x : __builtin_nan("");
  return x > 0 && x < DOUBLE_INFINITY ? all : outside;
}

/** log(1 + x): log of the sum as it is rounded, and what rounding lost (Kahan). */
INLINE double log1p_double(double x) {
  const double u = 1 + x, lost = x < 1 ? x - (u - 1) : 1 - (u - x);
  const int64_t n = exponent_of(u);
  const double f = n == 0 ? x : unscaled(u, n) - 1;
  const double all = log_sum(double_of(n), f, n == 0 ? 0 : lost * power_of_two_double(n < 100 ? -n : -100), 1);
  const double outside = x == -1 ? -DOUBLE_INFINITY : x > 0 ? x : __builtin_nan("");
  const double number = x > -1 && x < DOUBLE_INFINITY ? all : outside;
  return x == 0 ? x : number;
}

/** log(1 + x), for x from 0 to 1: (1 + x) / 2 - 1 is exact from ½ on. */
INLINE double log1p_unit(double x) {
  const double n = x >= 0.5;
  return log_sum(n, (x - n) * (1 - 0.5 * n), 0, 0);
}
/** log(1 + e^x), from e^-|x|, which is NaN if x is. */
INLINE double softplus_by(double x, double e) { return (x > 0 ? x : 0) + log1p_unit(e); }
INLINE double softplus(double x) { return softplus_by(x, exp_double(-__builtin_fabs(x))); }
/**
 * sin 2πx after `quarters` quarter turns, to 2^-36, for results in single precision. x is reduced to at most an eighth
 * of a turn without rounding; floats from 2^24 on are whole turns. The polynomials are Taylor's.
 */
INLINE double sin_turns(double x, const int64_t quarters) {
  const double part = __builtin_fabs(x) < 0x1p24 ? x : x - x;
  const double shifted = 4 * part + ROUNDER;
  const int64_t n = bits_of_double(shifted) - bits_of_double(ROUNDER) + quarters;
  const double y = TURN * (part - 0.25 * (shifted - ROUNDER)), z = y * y;
  const double sine =
    y * (1 + z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800))))));
  const double cosine =
    1 +
    z * (-1.0 / 2 +
         z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800 + z * (1.0 / 479001600))))));
  const double value = n & 1 ? cosine : sine;
  return n & 2 ? -value : value;
}
/** 1 / (1 + e^-x) */
INLINE double sigmoid_double(double x) { return 1 / (1 + exp_double(-x)); }

/** The standard normal density. */
INLINE double density(double x) { return (double)0.3989422804f * exp_double(-0.5 * x * x); }
/** The standard normal distribution function, to 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26). */
INLINE double distribution(double x) {
  const double z = __builtin_fabs(x) * 0.7071067811865476, t = 1 / (1 + 0.3275911 * z);
  const double p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const double erf = 1 - p * exp_double(-z * z);
  return x < 0 ? 0.5 * (1 - erf) : 0.5 * (1 + erf);
}

/** 1 / (1 + e^-x), from e^-|x|. */
INLINE double sigmoid_by(double x, double e) { return (x < 0 ? e : 1) / (1 + e); }

#endif
