// Digits of numbers, 16 bytes at a time: those that end with the number.

const DOT: i8 = 46;
const ZERO: i8 = 48;
/** A number of so many digits, divided by a power of ten up to 10^22, is rounded once (Clinger 1990). */
const MAX_EXACT_DIGITS: u32 = 15;

/** From place n on, 16 bytes of which the last n are ones. */
const LAST = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255,
]);
const POWERS = memory.data<f64>([1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]);

/** What the last `length` bytes before `end` are as digits, at most 16; the others are 0. */
// @ts-ignore: decorator
@inline
export function digitsBefore(end: usize, length: u32): v128 {
  return v128.and(i8x16.sub(v128.load(end - 16), i8x16.splat(ZERO)), v128.load(LAST + length));
}

// @ts-ignore: decorator
@inline
export function areDigits(digits: v128): bool {
  return !v128.any_true(i8x16.gt_u(digits, i8x16.splat(9)));
}

/** The number of 16 digits. */
// @ts-ignore: decorator
@inline
export function wholeOf(digits: v128): u64 {
  const parts = joined(digits);
  return <u64>(<u32>i32x4.extract_lane(parts, 0)) * 100_000_000 + <u64>(<u32>i32x4.extract_lane(parts, 1));
}

/**
 * The decimal number of `length` bytes before `end`, at most 15 digits and a point or none; NaN where it is anything
 * else.
 */
// @ts-ignore: decorator
@inline
export function decimalBefore(end: usize, length: u32): f64 {
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  if (length - 1 > MAX_EXACT_DIGITS) return NaN;
  const last = v128.load(LAST + length);
  const bytes = v128.load(end - 16);
  const dots = <u32>i8x16.bitmask(v128.and(i8x16.eq(bytes, i8x16.splat(DOT)), last));
  // Where there is no dot, it is -1: nothing moves to its place. Sums, for a choice would be a branch that nobody
  // foresees.
  const dot = <i32>ctz(dots) - 33 * <i32>(dots == 0);
  const all = v128.and(i8x16.sub(bytes, i8x16.splat(ZERO)), last);
  const digits = i8x16.swizzle(all, i8x16.add(places, i8x16.le_s(places, i8x16.splat(<i8>dot))));
  const count = length - <u32>(dots != 0);
  if ((dots & (dots - 1)) != 0 || count - 1 >= MAX_EXACT_DIGITS || !areDigits(digits)) return NaN;
  const parts = joined(digits);
  const whole = <f64>i32x4.extract_lane(parts, 0) * 1e8 + <f64>i32x4.extract_lane(parts, 1);
  const decimals = (15 - dot) & -<i32>(dots != 0);
  return whole / load<f64>(POWERS + 8 * <usize>decimals);
}

/** 16 digits as two numbers of eight, in the first two lanes. */
// @ts-ignore: decorator
@inline
function joined(digits: v128): v128 {
  const fours = foursOf(digits);
  return eightsOf(fours, fours);
}

/** 16 digits as four numbers of four, a lane each. */
// @ts-ignore: decorator
@inline
export function foursOf(digits: v128): v128 {
  // The first of two digits is the low byte a of a lane a + 256 b: times 2561 it is 256 (10 a + b) + a, as far as the
  // lane goes.
  const twos = i16x8.shr_u(i16x8.mul(digits, i16x8.splat(2561)), 8);
  return i32x4.dot_i16x8_s(twos, i16x8(100, 1, 100, 1, 100, 1, 100, 1));
}

/** Numbers of four digits as those of eight that two of them are, those of the first vector first. */
// @ts-ignore: decorator
@inline
export function eightsOf(a: v128, b: v128): v128 {
  return i32x4.dot_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8(10_000, 1, 10_000, 1, 10_000, 1, 10_000, 1));
}
