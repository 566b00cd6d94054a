import { BadValue } from '../../features/feature.js';
import type { DirectCells } from '../rows/column-reader.js';
import type { OddCells } from './odd-cells.js';

/** What becomes of a number that is taken as it is. */
export function itself(value: number): number {
  return value;
}

/**
 * Encodes numbers of a column to row `first` of a block and behind it. Those that no float of 32 bits can hold, and NaN, which is none, are left; rows are noted
 * whose number the encoding refuses.
 * @returns how many are left: those of `odd.rows`, counted from `begin`
 */
export function encodeNumbers(values: Float64Array, begin: number, end: number, encode: (value: number) => number, into: DirectCells['into'], first: number, odd: OddCells): number {
  let numOdd = 0;
  for (let row = begin; row < end; row++) {
    try {
      for (; row < end; row++) {
        const value = values[row]!;
        if (Number.isFinite(Math.fround(value))) into[first + row - begin] = encode(value);
        else odd.rows[numOdd++] = row - begin;
      }
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      odd.isBad[row - begin] = 1;
    }
  }
  return numOdd;
}
