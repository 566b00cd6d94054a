// Reads the cells of a column of rows that were cut: 16 bytes at a time, those that end with the cell.

/** Every id of so many digits is below 2^31. */
const MAX_ID_DIGITS: u32 = 9;
/** A number of so many digits, divided by a power of ten up to 10^22, is rounded once (Clinger 1990). */
const MAX_EXACT_DIGITS: u32 = 15;
const MINUS: u32 = 45;
const DOT: i8 = 46;
const ZERO: i8 = 48;

/** From place n on, 16 bytes of which the last n are ones. */
const LAST = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]);
const POWERS = memory.data<f64>([1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]);

/**
 * Reads ids: at most nine digits, and below a bound.
 * @param before where the cells of the column before end, or lines begin
 * @param ends where the cells of the column end
 * @param into where the ids go, 4 bytes each; what stands there for another cell means nothing
 * @param others where the rows go whose cells are something else
 * @returns how many of these there are
 */
export function readIds(before: usize, ends: usize, rows: u32, below: f64, into: usize, others: usize): u32 {
  let numOthers: u32 = 0;
  for (let r: u32 = 0; r < rows; r++) {
    const end = <usize>load<u32>(ends + 4 * r);
    const length = <u32>end - load<u32>(before + 4 * r) - 1;
    if (length - 1 < MAX_ID_DIGITS) {
      const digits = v128.and(i8x16.sub(v128.load(end - 16), i8x16.splat(ZERO)), v128.load(LAST + length));
      const parts = joined(digits);
      const id = <u64>(<u32>i32x4.extract_lane(parts, 0)) * 100_000_000 + <u64>(<u32>i32x4.extract_lane(parts, 1));
      store<u32>(into + 4 * r, <u32>id);
      if (areDigits(digits) && <f64>id < below) continue;
    }
    store<u32>(others + 4 * numOthers++, r);
  }
  return numOthers;
}

/** Reads decimal numbers of at most 15 digits in the same way, 8 bytes each; NaN stands for other cells. */
export function readNumbers(before: usize, ends: usize, rows: u32, into: usize): void {
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (let r: u32 = 0; r < rows; r++) {
    const end = <usize>load<u32>(ends + 4 * r);
    const begin = <usize>load<u32>(before + 4 * r) + 1;
    const isNegative = load<u8>(begin) == MINUS;
    const length = <u32>(end - begin) - <u32>isNegative;
    if (length - 1 <= MAX_EXACT_DIGITS) {
      const last = v128.load(LAST + length);
      const bytes = v128.load(end - 16);
      const dots = <u32>i8x16.bitmask(v128.and(i8x16.eq(bytes, i8x16.splat(DOT)), last));
      // Where there is no dot, it is -1: nothing moves to its place. Sums, for a choice would be a branch that nobody foresees.
      const dot = <i32>ctz(dots) - 33 * <i32>(dots == 0);
      const all = v128.and(i8x16.sub(bytes, i8x16.splat(ZERO)), last);
      const digits = i8x16.swizzle(all, i8x16.add(places, i8x16.le_s(places, i8x16.splat(<i8>dot))));
      const count = length - <u32>(dots != 0);
      if ((dots & (dots - 1)) == 0 && count - 1 < MAX_EXACT_DIGITS && areDigits(digits)) {
        const parts = joined(digits);
        const whole = <f64>i32x4.extract_lane(parts, 0) * 1e8 + <f64>i32x4.extract_lane(parts, 1);
        const decimals = (15 - dot) & -<i32>(dots != 0);
        const value = reinterpret<u64>(whole / load<f64>(POWERS + 8 * <usize>decimals));
        store<u64>(into + 8 * r, value ^ (<u64>isNegative << 63));
        continue;
      }
    }
    store<f64>(into + 8 * r, NaN);
  }
}

/** Reads 0 and 1 in the same way, as floats of 4 bytes. */
export function readClasses(before: usize, ends: usize, rows: u32, into: usize, others: usize): u32 {
  let numOthers: u32 = 0;
  for (let r: u32 = 0; r < rows; r++) {
    const end = <usize>load<u32>(ends + 4 * r);
    const length = <u32>end - load<u32>(before + 4 * r) - 1;
    const digit = <u32>load<u8>(end - 1) - ZERO;
    store<f32>(into + 4 * r, <f32>digit);
    if (length != 1 || digit > 1) store<u32>(others + 4 * numOthers++, r);
  }
  return numOthers;
}

// @ts-ignore: decorator
@inline
function areDigits(digits: v128): bool {
  return !v128.any_true(i8x16.gt_u(digits, i8x16.splat(9)));
}

/** 16 digits as two numbers of eight, in the first two lanes. */
// @ts-ignore: decorator
@inline
function joined(digits: v128): v128 {
  const tens = i16x8(10, 1, 10, 1, 10, 1, 10, 1);
  const twos = i16x8.narrow_i32x4_s(i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(digits), tens), i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(digits), tens));
  const fours = i32x4.dot_i16x8_s(twos, i16x8(100, 1, 100, 1, 100, 1, 100, 1));
  return i32x4.dot_i16x8_s(i16x8.narrow_i32x4_s(fours, fours), i16x8(10_000, 1, 10_000, 1, 10_000, 1, 10_000, 1));
}
