import { computeRateAuc } from '../data/info/leak.js';
import { Tally } from '../data/info/tally.js';
import type { InspectedColumn } from './column-kind.js';

/** Number of equal-frequency bins for numbers with more distinct values. */
const BINS = 100;

/** A column that reveals a label. */
export interface Leak {
  readonly column: string;
  readonly label: string;
  readonly auc: number;
}

/**
 * Finds columns that alone predict a label. Rates are estimated on even rows and tested on odd rows.
 * @param labels by column: 1 for each positive row
 * @param minAuc minimum AUC of a column alone
 */
export function findLeaks(
  columns: readonly InspectedColumn[],
  labels: ReadonlyMap<string, Uint8Array>,
  minAuc: number,
): readonly Leak[] {
  return columns.flatMap(({ column, kind }) => {
    const toKey = kind.is === 'number' ? createBinning(column.values) : (code: number): number => code;
    return [...labels].flatMap(([label, isYes]): Leak[] => {
      const [trainTally, testTally] = [new Tally(2), new Tally(2)];
      for (let r = 0; r < column.codes.length; r++)
        (r % 2 === 0 ? trainTally : testTally).add(toKey(column.codes[r]!), [1, isYes[r]!]);
      const auc = computeRateAuc(trainTally, testTally);
      return auc !== undefined && auc >= minAuc ? [{ column: column.name, label, auc }] : [];
    });
  });
}

function createBinning(values: readonly string[]): (code: number) => number {
  if (values.length <= BINS) return (code) => code;
  const order = values
    .map((text, code) => ({ value: Number(text.replace(',', '.')), code }))
    .sort((a, b) => a.value - b.value);
  const bins = new Uint32Array(values.length);
  for (const [i, { code }] of order.entries()) bins[code] = Math.floor((BINS * i) / order.length);
  return (code) => bins[code]!;
}
