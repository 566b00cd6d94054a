import type { LookedAt } from './column-kind.js';
import { findLeaks } from './find-leaks.js';

/**
 * Columns that a model can learn nothing from, or that know what is to be predicted, each with the reason.
 * @param labels by column, whether each row is yes
 */
export function leaveOut(
  columns: readonly LookedAt[],
  labels: ReadonlyMap<string, Uint8Array>,
): ReadonlyMap<string, string> {
  const features = columns.filter(({ column }) => !labels.has(column.name));
  const leaks = findLeaks(features, labels);
  return new Map(
    features.flatMap(({ column: { name, codes }, kind }): (readonly [string, string])[] => {
      const leak = leaks.find(({ column }) => column === name);
      if (kind.is === 'constant') return [[name, 'the same in all rows, so that nothing can be learned from it']];
      if (kind.is === 'key')
        return [[name, `another in each of ${codes.length} rows, so that nothing can be learned from it`]];
      if (kind.is === 'text')
        return [[name, 'texts that hardly repeat; make a vector or a list of words of them to use them']];
      if (kind.is === 'day') return [[name, 'days do not come back; it divides the rows, if anything']];
      return leak === undefined
        ? []
        : [[name, `alone predicts ${leak.label} with an AUC of ${leak.auc.toFixed(4)}: likely written after the fact`]];
    }),
  );
}
