// Reads the cells of a column of rows that were cut: 16 bytes at a time, those that end with the cell.
import { areDigits, decimalBefore, digitsBefore, wholeOf } from '../digits';

/** Every id of so many digits is below 2^31. */
const MAX_ID_DIGITS: u32 = 9;
const MINUS: u32 = 45;
const ZERO: i8 = 48;

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
      const digits = digitsBefore(end, length);
      const id = wholeOf(digits);
      store<u32>(into + 4 * r, <u32>id);
      if (areDigits(digits) && <f64>id < below) continue;
    }
    store<u32>(others + 4 * numOthers++, r);
  }
  return numOthers;
}

/** Reads decimal numbers of at most 15 digits in the same way, 8 bytes each; NaN stands for other cells. */
export function readNumbers(before: usize, ends: usize, rows: u32, into: usize): void {
  for (let r: u32 = 0; r < rows; r++) {
    const end = <usize>load<u32>(ends + 4 * r);
    const begin = <usize>load<u32>(before + 4 * r) + 1;
    const isNegative = load<u8>(begin) == MINUS;
    const value = reinterpret<u64>(decimalBefore(end, <u32>(end - begin) - <u32>isNegative));
    // NaN stays NaN with either sign.
    store<u64>(into + 8 * r, value ^ (<u64>isNegative << 63));
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
