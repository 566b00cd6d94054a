import { countAtMost } from '../core/count-at-most.js';
import { NUMBER_BINS } from '../crosses/encoded-columns.js';
import { Quantiles } from '../core/quantiles.js';
import { isBlank, type InspectedColumn } from './column-kind.js';

/** Bins of a column's numbers, each with about the same number of rows; a frequent value has a bin of its own. */
export interface NumberBins {
  /** Number by distinct value; NaN if missing. */
  readonly numbers: readonly number[];
  /** Bin by distinct value; `size` if missing. */
  readonly bins: readonly number[];
  readonly size: number;
}

/** Bins the numbers of a column. */
export function binNumbers(inspected: InspectedColumn): NumberBins {
  const { values, codes } = inspected.column;
  const numbers = values.map((text) => (isBlank(inspected, text) ? NaN : Number(text.trim().replace(',', '.'))));
  const quantiles = new Quantiles();
  for (const code of codes) if (!Number.isNaN(numbers[code])) quantiles.observe(numbers[code]!);
  const boundaries = quantiles.boundaries(NUMBER_BINS);
  const size = boundaries.length + 1;
  return {
    numbers,
    size,
    bins: numbers.map((number) => (Number.isNaN(number) ? size : countAtMost(boundaries, number))),
  };
}
