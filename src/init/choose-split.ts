import { readDate } from '../text/dates.js';
import type { InspectedColumn } from './column-kind.js';

/** A proposed split of one data source. */
export type ProposedSplit =
  | {
      readonly by: 'date';
      readonly column: string;
      readonly valid: string;
      readonly beforeTest: string;
      readonly test: string;
    }
  | { readonly by: 'random' };

/** Shares of rows before the validation set, and before the test set. */
const [BEFORE_VALID, BEFORE_TEST] = [0.8, 0.9];

/** Splits by date if a column has at least three days, since a model predicts later rows; else randomly. */
export function chooseSplit(columns: readonly InspectedColumn[]): ProposedSplit {
  for (const { column, kind, blanks } of columns) {
    if (blanks > 0 || (kind.is !== 'day' && !(kind.is === 'time' && kind.format === 'iso'))) continue;
    const rows = new Map<string, number>();
    for (const [i, text] of column.values.entries()) {
      const day = kind.is === 'day' ? text.trim() : parseDay(text.trim());
      if (day !== undefined) rows.set(day, (rows.get(day) ?? 0) + column.counts[i]!);
    }
    const days = [...rows.keys()].sort();
    if (days.length < 3) continue;
    let numBefore = 0;
    const starts = days.map((day) => {
      const share = numBefore / column.codes.length;
      numBefore += rows.get(day)!;
      return { day, share };
    });
    const findNearest = (share: number, from: number, to: number): number =>
      starts
        .slice(from, to)
        .reduce(
          (best, start, i) => (Math.abs(start.share - share) < Math.abs(starts[best]!.share - share) ? from + i : best),
          from,
        );
    const valid = findNearest(BEFORE_VALID, 1, days.length - 1);
    const test = findNearest(BEFORE_TEST, valid + 1, days.length);
    return { by: 'date', column: column.name, valid: days[valid]!, beforeTest: days[test - 1]!, test: days[test]! };
  }
  return { by: 'random' };
}

function parseDay(text: string): string | undefined {
  const range = readDate(text);
  return range && new Date(range.begin).toISOString().slice(0, 10);
}
