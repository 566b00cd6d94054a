import { BadValue } from '../../features/feature.js';
import { AS_IT_IS, type AffineStep } from '../../core/scaling.js';
import type { DirectCells } from '../rows/column-reader.js';
import type { OddCells } from './odd-cells.js';

/** How decimal numbers are encoded, and where they go. */
type NumberCells = Extract<DirectCells, { cell: 'number' }>;

/**
 * The one step of an encoding that subtracts and divides alone, also where it leaves numbers as they are; undefined for
 * any other.
 */
export function affineOnly({ encode, affine }: NumberCells): AffineStep | undefined {
  return affine ?? (encode === undefined ? AS_IT_IS : undefined);
}

/**
 * Encodes numbers of a column to row `first` of a block and behind it. Those that no float of 32 bits can hold, and
 * NaN, which is none, are left; rows are noted
 * whose number the encoding refuses.
 * @returns how many are left: those of `odd.rows`, counted from `begin`
 */
export function encodeNumbers(
  values: Float64Array,
  begin: number,
  end: number,
  cells: NumberCells,
  first: number,
  odd: OddCells,
): number {
  const { into } = cells;
  const step = affineOnly(cells);
  if (step !== undefined) return scaleNumbers(values, begin, end, step.subtract, step.divide, into, first, odd.rows);
  const encode = cells.encode!;
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

/** The same where no number is refused: a call for each would have them made objects. */
function scaleNumbers(
  values: Float64Array,
  begin: number,
  end: number,
  subtract: number,
  divide: number,
  into: NumberCells['into'],
  first: number,
  oddRows: Uint32Array,
): number {
  let numOdd = 0;
  for (let row = begin; row < end; row++) {
    const value = values[row]!;
    if (Number.isFinite(Math.fround(value))) into[first + row - begin] = (value - subtract) / divide;
    else oddRows[numOdd++] = row - begin;
  }
  return numOdd;
}
