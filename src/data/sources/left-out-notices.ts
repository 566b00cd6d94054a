import type { Dataset } from '../batches/dataset.js';
import { SPLITS, type Split } from '../options.js';
import { OTHER_PART } from '../rows/row-filter.js';

/** What to tell of rows that are not among those of a split, a line each. */
export function leftOutNotices(datasets: { readonly [S in Split]?: Dataset | undefined }): readonly string[] {
  return SPLITS.flatMap((split) => {
    const { leftOut: all = new Map<string, number>(), rows = 0 } = datasets[split] ?? {};
    const leftOut = [...all].filter(([reason]) => reason !== OTHER_PART);
    const total = leftOut.reduce((sum, [, count]) => sum + count, 0);
    if (total === 0) return [];
    const reasons = leftOut.toSorted(([, a], [, b]) => b - a).map(([reason, count]) => `${reason} (${count})`);
    return [`data.${split}: ${total} of ${rows + total} rows are left out: ${reasons.join(', ')}`];
  });
}
