import type { Dataset } from '../batches/dataset.js';
import { SPLITS, type Split } from '../options.js';

/** What to tell of rows that are not among those of a split, a line each. */
export function leftOutNotices(datasets: { readonly [S in Split]?: Dataset | undefined }): readonly string[] {
  return SPLITS.flatMap((split) => {
    const { leftOut = new Map<string, number>(), rows = 0 } = datasets[split] ?? {};
    const total = [...leftOut.values()].reduce((sum, count) => sum + count, 0);
    if (total === 0) return [];
    const reasons = [...leftOut].sort(([, a], [, b]) => b - a).map(([reason, count]) => `${reason} (${count})`);
    return [`data.${split}: ${total} of ${rows + total} rows are left out: ${reasons.join(', ')}`];
  });
}
