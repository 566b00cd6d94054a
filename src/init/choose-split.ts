import { readDate } from '../text/dates.js';
import type { LookedAt } from './column-kind.js';

/** How rows are proposed to be divided, where one source has all of them. */
export type ProposedSplit =
  | {
      readonly by: 'date';
      readonly column: string;
      readonly valid: string;
      readonly beforeTest: string;
      readonly test: string;
    }
  | { readonly by: 'random' };

/** Shares of rows before valid, and before test. */
const [BEFORE_VALID, BEFORE_TEST] = [0.8, 0.9];

/** By time, where a column tells it of three days or more: a model is used on what comes later. Else by chance. */
export function chooseSplit(columns: readonly LookedAt[]): ProposedSplit {
  for (const { column, kind, blanks } of columns) {
    if (blanks > 0 || (kind.is !== 'day' && !(kind.is === 'time' && kind.format === 'iso'))) continue;
    const rows = new Map<string, number>();
    for (const [i, text] of column.values.entries()) {
      const day = kind.is === 'day' ? text.trim() : dayOf(text.trim());
      if (day !== undefined) rows.set(day, (rows.get(day) ?? 0) + column.counts[i]!);
    }
    const days = [...rows.keys()].sort();
    if (days.length < 3) continue;
    let before = 0;
    const starts = days.map((day) => {
      const share = before / column.codes.length;
      before += rows.get(day)!;
      return { day, share };
    });
    const nearest = (share: number, from: number, to: number): number =>
      starts
        .slice(from, to)
        .reduce(
          (best, start, i) => (Math.abs(start.share - share) < Math.abs(starts[best]!.share - share) ? from + i : best),
          from,
        );
    const valid = nearest(BEFORE_VALID, 1, days.length - 1);
    const test = nearest(BEFORE_TEST, valid + 1, days.length);
    return { by: 'date', column: column.name, valid: days[valid]!, beforeTest: days[test - 1]!, test: days[test]! };
  }
  return { by: 'random' };
}

function dayOf(text: string): string | undefined {
  const range = readDate(text);
  return range && new Date(range.begin).toISOString().slice(0, 10);
}
