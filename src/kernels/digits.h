// Converts decimal digits to numbers, 16 bytes at a time: the bytes that end with the number.

#ifndef DIGITS_H
#define DIGITS_H

#include <wasm_simd128.h>
#include "team.h"

enum {
  /** A number of so many digits, divided by a power of ten up to 10^22, is rounded once (Clinger 1990). */
  MAX_EXACT_DIGITS = 15,
  /** An id of so many digits is below 2^31. */
  MAX_ID_DIGITS = 9,
};

/** The 16 bytes from index n on end with n bytes of ones. */
static const uint8_t LAST_OF_16[32] = {[16] = 255, 255, 255, 255, 255, 255, 255, 255,
                                       255, 255, 255, 255, 255, 255, 255, 255};
/** Powers of ten by the number of decimals; without a point, that number is 16. */
static const double POWERS[17] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7, 1e8,
                                  1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1};

/** Returns the digits of the last `length` bytes before `end`, at most 16; the others are 0. */
INLINE v128_t digits_before(const uint8_t *end, uint32_t length) {
  return wasm_v128_and(
    wasm_i8x16_sub(wasm_v128_load(end - 16), wasm_i8x16_const_splat('0')), wasm_v128_load(LAST_OF_16 + length)
  );
}

INLINE int are_digits(v128_t digits) {
  return !wasm_v128_any_true(wasm_u8x16_gt(digits, wasm_i8x16_const_splat(9)));
}

/** Joins 16 digits to four numbers of four digits. */
INLINE v128_t join_fours(v128_t digits) {
  // A lane is a + 256 b for the digits a and b: times 2561 it is 256 (10 a + b) + a, modulo 2^16.
  const v128_t twos = wasm_u16x8_shr(wasm_i16x8_mul(digits, wasm_i16x8_const_splat(2561)), 8);
  return wasm_i32x4_dot_i16x8(twos, wasm_i16x8_const(100, 1, 100, 1, 100, 1, 100, 1));
}

/** Joins pairs of numbers of four digits to numbers of eight, those of the first vector first. */
INLINE v128_t join_eights(v128_t a, v128_t b) {
  return wasm_i32x4_dot_i16x8(wasm_i16x8_narrow_i32x4(a, b), wasm_i16x8_const(10000, 1, 10000, 1, 10000, 1, 10000, 1));
}

/** Joins 16 digits to two numbers of eight, in the first two lanes. */
INLINE v128_t join_two_eights(v128_t digits) {
  const v128_t fours = join_fours(digits);
  return join_eights(fours, fours);
}

/** Returns the number of 16 digits. */
INLINE uint64_t join_digits(v128_t digits) {
  const v128_t eights = join_two_eights(digits);
  return wasm_u32x4_extract_lane(eights, 0) * 100000000ull + wasm_u32x4_extract_lane(eights, 1);
}

/** Parses `length` bytes before `end`: at most 15 digits, and a point or none. Returns NaN for anything else. */
INLINE double parse_decimal(const uint8_t *end, uint32_t length) {
  if (length - 1 > MAX_EXACT_DIGITS) return __builtin_nan("");
  const v128_t last = wasm_v128_load(LAST_OF_16 + length), bytes = wasm_v128_load(end - 16);
  const uint32_t dots = wasm_i8x16_bitmask(wasm_v128_and(wasm_i8x16_eq(bytes, wasm_i8x16_const_splat('.')), last));
  // The index of the point, -1 if there is none; computed without a branch, since no processor predicts it.
  const int32_t dot = 30 - __builtin_clz(2 * dots + 1);
  const v128_t all = wasm_v128_and(wasm_i8x16_sub(bytes, wasm_i8x16_const_splat('0')), last);
  // The digits before the point move to its index.
  const v128_t indices = wasm_i8x16_const(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const v128_t moves = wasm_i8x16_le(indices, wasm_i8x16_splat((int8_t)dot));
  const v128_t digits = wasm_i8x16_swizzle(all, wasm_i8x16_add(indices, moves));
  const uint32_t count = length - (dots != 0);
  if ((dots & (dots - 1)) != 0 || count - 1 >= MAX_EXACT_DIGITS || !are_digits(digits)) return __builtin_nan("");
  const v128_t eights = join_two_eights(digits);
  return (wasm_i32x4_extract_lane(eights, 0) * 1e8 + wasm_i32x4_extract_lane(eights, 1)) / POWERS[15 - dot];
}

#endif
