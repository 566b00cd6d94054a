import type { ChunkRows } from '../chunks/chunk.js';
import { isDecimal } from '../text/decimal.js';
import { createCleaner, takesNumbers, type CellOptions } from './cells.js';
import { BadValue } from './feature.js';
import { arrayReader, ITEM } from './kinds/one-value.js';
import { parseNumber } from './parse.js';
import { instantReader, NO_DATE } from './wall-clock.js';

const readIso = instantReader('iso');
const NO_TIME = new BadValue('a time: a number, or a date and time in ISO 8601');

/**
 * Parses a time: a number is returned as it is, in its own unit; a date or a time in ISO 8601 as seconds since 1970.
 * @throws InvalidValueError for a missing or invalid time
 */
function parseMoment(text: string): number {
  if (text === '') throw NO_TIME;
  if (isDecimal(text)) return parseNumber(text);
  try {
    return readIso(text) / 1000;
  } catch (error) {
    throw error === NO_DATE ? NO_TIME : error;
  }
}

/** Reads times; the times of invalid rows, which are refused, may be anything. Valid until the next call. */
export type ReadMoments = (rows: ChunkRows) => Float64Array;

/** Creates a function that reads a column as times. */
export function momentReader(column: string, cells: CellOptions): ReadMoments {
  const clean = createCleaner(cells);
  const encode = clean === undefined ? parseMoment : (text: string): number => parseMoment(clean(text));
  const direct = takesNumbers(cells, 'number') ? ({ cell: 'number' } as const) : undefined;
  return arrayReader([column], { encode, direct, numberColumns: [column] }, Float64Array);
}

/** Creates a function that reads the items of lists, which are clean, as times. */
export function itemMomentReader(): ReadMoments {
  return arrayReader([ITEM], { encode: parseMoment, direct: { cell: 'number' } }, Float64Array);
}
