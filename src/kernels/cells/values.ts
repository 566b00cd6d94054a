// Reads the cells of a column of rows that were cut: the bytes before their ends, of one cell or of several together.
import { areDigits, decimalBefore, digitsBefore, eightsOf, foursOf, wholeOf } from '../digits';

/** Every id of so many digits is below 2^31. */
const MAX_ID_DIGITS: u32 = 9;
/** So many ids are read together, of at most so many digits. */
const TOGETHER: u32 = 4;
const DIGITS_TOGETHER: u32 = 8;
const END_TOGETHER: f64 = 1e8;
const MINUS: u32 = 45;
const ZERO: i8 = 48;
const DOT: i8 = 46;

/** Room for four numbers. */
const FOUR = memory.data(32, 16);
/** By the place of a point among eight bytes, 8 where there is none: 10 to the number of bytes behind it. */
const POWER_BEHIND = memory.data<f64>([1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1e0, 1e0]);
/** From place n on, 8 bytes of which the last n are ones. */
const LAST = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);

/**
 * Reads ids: at most nine digits, and below a bound.
 * @param cell where the place before the first row's cell stands, and behind it where the cell ends
 * @param stride from there to the same of the next row
 * @param into where the ids go, 4 bytes each; what stands there for another cell means nothing
 * @param others where the rows go whose cells are something else
 * @returns how many of these there are
 */
export function readIds(cell: usize, stride: usize, rows: u32, below: f64, into: usize, others: usize): u32 {
  const bound = i32x4.splat(<i32>min(below, END_TOGETHER));
  let numOthers: u32 = 0;
  let r: u32 = 0;
  for (; r + TOGETHER <= rows; r += TOGETHER) {
    const second = cell + stride;
    const third = second + stride;
    const fourth = third + stride;
    if (areShort(cell, second, third, fourth)) {
      const a = digitsOf(cell, second);
      const b = digitsOf(third, fourth);
      const ids = eightsOf(foursOf(a), foursOf(b));
      if (areDigits(i8x16.max_u(a, b)) && i32x4.all_true(i32x4.lt_s(ids, bound))) {
        v128.store(into + 4 * r, ids);
        cell = fourth + stride;
        continue;
      }
    }
    for (let i = r; i < r + TOGETHER; i++) {
      if (!readId(cell, below, into + 4 * i)) store<u32>(others + 4 * numOthers++, i);
      cell += stride;
    }
  }
  for (; r < rows; r++) {
    if (!readId(cell, below, into + 4 * r)) store<u32>(others + 4 * numOthers++, r);
    cell += stride;
  }
  return numOthers;
}

/** Bytes of a cell. */
// @ts-ignore: decorator
@inline
function lengthOf(cell: usize): u32 {
  return load<u32>(cell, 4) - load<u32>(cell) - 1;
}

/** Whether four cells have something, and no more than is read of a cell at once. */
// @ts-ignore: decorator
@inline
function areShort(a: usize, b: usize, c: usize, d: usize): bool {
  // Of an empty cell, one less is no small number.
  return max(max(lengthOf(a) - 1, lengthOf(b) - 1), max(lengthOf(c) - 1, lengthOf(d) - 1)) < DIGITS_TOGETHER;
}

/**
 * What the bytes of two cells are as digits, at most eight each, those of the second behind those of the first; what
 * stands before them is 0.
 */
// @ts-ignore: decorator
@inline
function digitsOf(a: usize, b: usize): v128 {
  const bytes = v128.load64_lane(<usize>load<u32>(b, 4) - 8, v128.load64_zero(<usize>load<u32>(a, 4) - 8), 1);
  const last = v128.load64_lane(LAST + lengthOf(b), v128.load64_zero(LAST + lengthOf(a)), 1);
  return v128.and(i8x16.sub(bytes, i8x16.splat(ZERO)), last);
}

/** Reads an id; false for what is none. */
// @ts-ignore: decorator
@inline
function readId(cell: usize, below: f64, into: usize): bool {
  const length = lengthOf(cell);
  if (length - 1 >= MAX_ID_DIGITS) return false;
  const digits = digitsBefore(load<u32>(cell, 4), length);
  const id = wholeOf(digits);
  store<u32>(into, <u32>id);
  return areDigits(digits) && <f64>id < below;
}

/** Reads decimal numbers of at most 15 digits in the same way, 8 bytes each; NaN stands for other cells. */
export function readNumbers(cell: usize, stride: usize, rows: u32, into: usize): void {
  let r: u32 = 0;
  for (; r + TOGETHER <= rows; r += TOGETHER) {
    readFour(cell, stride, into + 8 * r);
    cell += (<usize>TOGETHER) * stride;
  }
  for (; r < rows; r++) {
    store<f64>(into + 8 * r, numberOf(cell));
    cell += stride;
  }
}

/**
 * Reads the same as floats of 4 bytes, of which each was less by a number and then divided by one. Where no float can
 * hold the number itself, the cell is something else.
 */
export function readScaled(
  cell: usize, stride: usize, rows: u32, subtract: f64, divide: f64, into: usize, others: usize,
): u32 {
  const less = f64x2.splat(subtract);
  const by = f64x2.splat(divide);
  let numOthers: u32 = 0;
  let r: u32 = 0;
  for (; r + TOGETHER <= rows; r += TOGETHER) {
    const areSmall = readFour(cell, stride, FOUR);
    const a = f64x2.div(f64x2.sub(v128.load(FOUR), less), by);
    const b = f64x2.div(f64x2.sub(v128.load(FOUR, 16), less), by);
    v128.store(into + 4 * r, i64x2.shuffle(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2));
    if (!areSmall) {
      for (let i: u32 = 0; i < TOGETHER; i++) {
        store<u32>(others + 4 * numOthers, r + i);
        numOthers += <u32>!(abs(<f32>load<f64>(FOUR + 8 * i)) < Infinity);
      }
    }
    cell += (<usize>TOGETHER) * stride;
  }
  for (; r < rows; r++) {
    const value = numberOf(cell);
    store<f32>(into + 4 * r, <f32>((value - subtract) / divide));
    store<u32>(others + 4 * numOthers, r);
    numOthers += <u32>!(abs(<f32>value) < Infinity);
    cell += stride;
  }
  return numOthers;
}

/**
 * Reads four decimal numbers as `numberOf` does, to `into` and behind it.
 * @returns whether all of them are below 10^8; where it is false, they may still be
 */
// @ts-ignore: decorator
@inline
function readFour(cell: usize, stride: usize, into: usize): bool {
  const second = cell + stride;
  const third = second + stride;
  const fourth = third + stride;
  if (areShort(cell, second, third, fourth)) {
    const a = digitsOf(cell, second);
    const b = digitsOf(third, fourth);
    const aDots = i8x16.eq(a, i8x16.splat(DOT - ZERO));
    const bDots = i8x16.eq(b, i8x16.splat(DOT - ZERO));
    const aDigits = withoutDot(a, aDots);
    const bDigits = withoutDot(b, bDots);
    // A point at the end may be all there is.
    const ends = v128.and(v128.or(aDots, bDots), i64x2.splat(<i64>0xff00_0000_0000_0000));
    if (areDigits(v128.or(i8x16.max_u(aDigits, bDigits), ends))) {
      const wholes = eightsOf(foursOf(aDigits), foursOf(bDigits));
      v128.store(into, f64x2.div(f64x2.convert_low_i32x4_s(wholes), powersOf(i8x16.bitmask(aDots))));
      v128.store(
        into, f64x2.div(f64x2.convert_low_i32x4_s(i64x2.shuffle(wholes, wholes, 1, 1)), powersOf(i8x16.bitmask(bDots))),
        16,
      );
      return true;
    }
  }
  store<f64>(into, numberOf(cell));
  store<f64>(into, numberOf(second), 8);
  store<f64>(into, numberOf(third), 16);
  store<f64>(into, numberOf(fourth), 24);
  return false;
}

/**
 * Digits of two cells of eight bytes each without the first point of each: what stands before it moves to its place.
 */
// @ts-ignore: decorator
@inline
function withoutDot(digits: v128, dots: v128): v128 {
  // All bits up to the lowest that is set; of none, that would be all.
  const dot = v128.and(dots, i8x16.splat(-128));
  const upTo = v128.and(v128.xor(dot, i64x2.sub(dot, i64x2.splat(1))), i64x2.ne(dot, i64x2.splat(0)));
  return v128.bitselect(i64x2.shl(digits, 8), digits, upTo);
}

/** What two numbers of eight bytes each are divided by, given a bit for each byte that is a point. */
// @ts-ignore: decorator
@inline
function powersOf(dots: u32): v128 {
  return v128.load64_lane(
    POWER_BEHIND + (<usize>ctz((dots >> 8) | 256) << 3), v128.load64_zero(POWER_BEHIND + (<usize>ctz(dots | 256) << 3)),
    1,
  );
}

// @ts-ignore: decorator
@inline
function numberOf(cell: usize): f64 {
  const end = <usize>load<u32>(cell, 4);
  const begin = <usize>load<u32>(cell) + 1;
  const isNegative = load<u8>(begin) == MINUS;
  const value = reinterpret<u64>(decimalBefore(end, <u32>(end - begin) - <u32>isNegative));
  // NaN stays NaN with either sign.
  return reinterpret<f64>(value ^ (<u64>isNegative << 63));
}

/** Reads 0 and 1 as floats of 4 bytes. */
export function readClasses(cell: usize, stride: usize, rows: u32, into: usize, others: usize): u32 {
  let numOthers: u32 = 0;
  for (let r: u32 = 0; r < rows; r++) {
    const digit = <u32>load<u8>(<usize>load<u32>(cell, 4) - 1) - ZERO;
    store<f32>(into + 4 * r, <f32>digit);
    if (lengthOf(cell) != 1 || digit > 1) store<u32>(others + 4 * numOthers++, r);
    cell += stride;
  }
  return numOthers;
}
