import { aucOfRates, LEAK_AUC } from '../data/info/leak.js';
import { createTally } from '../data/info/tally.js';
import type { LookedAt } from './column-kind.js';

/** Numbers that differ more are looked at in so many bins of equally many values. */
const BINS = 100;

/** A column that gives a label away. */
export interface Leak {
  readonly column: string;
  readonly label: string;
  readonly auc: number;
}

/**
 * Columns whose values alone predict a label on rows that they were not counted on: every other row stands for train.
 * @param labels by row, whether each label is yes
 */
export function findLeaks(columns: readonly LookedAt[], labels: ReadonlyMap<string, Uint8Array>): readonly Leak[] {
  return columns.flatMap(({ column, kind }) => {
    const keyOf = kind.is === 'number' ? binsOf(column.values) : (code: number): number => code;
    return [...labels].flatMap(([label, isYes]): Leak[] => {
      const [seen, held] = [createTally(2), createTally(2)];
      for (let r = 0; r < column.codes.length; r++)
        (r % 2 === 0 ? seen : held).add(keyOf(column.codes[r]!), [1, isYes[r]!]);
      const auc = aucOfRates(seen, held, { rows: 0, positives: 1 });
      return auc !== undefined && auc >= LEAK_AUC ? [{ column: column.name, label, auc }] : [];
    });
  });
}

function binsOf(values: readonly string[]): (code: number) => number {
  if (values.length <= BINS) return (code) => code;
  const order = values
    .map((text, code) => ({ value: Number(text.replace(',', '.')), code }))
    .sort((a, b) => a.value - b.value);
  const bins = new Uint32Array(values.length);
  for (const [i, { code }] of order.entries()) bins[code] = Math.floor((BINS * i) / order.length);
  return (code) => bins[code]!;
}
