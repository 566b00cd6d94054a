import type { InspectedColumn } from './column-kind.js';
import { findLeaks } from './find-leaks.js';

/**
 * Selects columns to exclude, with the reason: no information, or information from after the label.
 * @param labels by column: 1 for each positive row
 */
export function excludeColumns(
  columns: readonly InspectedColumn[],
  labels: ReadonlyMap<string, Uint8Array>,
): ReadonlyMap<string, string> {
  const features = columns.filter(({ column }) => !labels.has(column.name));
  const leaks = findLeaks(features, labels);
  return new Map(
    features.flatMap(({ column: { name, codes }, kind }): (readonly [string, string])[] => {
      const leak = leaks.find(({ column }) => column === name);
      if (kind.is === 'constant') return [[name, 'constant']];
      if (kind.is === 'key') return [[name, `a different value in each of ${codes.length} rows`]];
      if (kind.is === 'text') return [[name, 'free text; convert it to a vector or a list of words to use it']];
      if (kind.is === 'day') return [[name, 'days do not recur; use it to split rows']];
      return leak === undefined
        ? []
        : [
            [
              name,
              `alone predicts ${leak.label} with an AUC of ${leak.auc.toFixed(4)}; probably recorded after the label`,
            ],
          ];
    }),
  );
}
