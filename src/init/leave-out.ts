import { LEAK_AUC } from '../data/info/leak.js';
import { count } from '../text/number-text.js';
import type { InspectedColumn } from './column-kind.js';
import { findLeaks, type Leak } from './find-leaks.js';
import { markEvents, requires, type Marks } from './outcomes.js';

/** AUC from which a column alone reveals a label, if it is a number with many values. */
const LEAK_AUC_OF_NUMBERS = 0.995;
/** AUC from which a duration alone reveals a label. */
const LEAK_AUC_OF_DURATIONS = 0.9;
/** Number of values from which a number may predict a label well without a leak. */
const MANY_VALUES = 50;
const DURATIONS = /dwell|duration|stay|(play|watch|view|read|spent|engage\w*)_?(time|ms|sec)|time_?spent/i;

/**
 * Selects columns to exclude, with the reason: no information, or information from after the label.
 * @param labels positives by label column
 */
export function excludeColumns(
  columns: readonly InspectedColumn[],
  labels: ReadonlyMap<string, Marks>,
): ReadonlyMap<string, string> {
  const features = columns.filter(({ column }) => !labels.has(column.name));
  const leaks = findLeaks(features, labels, LEAK_AUC_OF_DURATIONS);
  return new Map(
    features.flatMap((inspected): (readonly [string, string])[] => {
      const reason = findUseless(inspected) ?? findOutcome(inspected, labels) ?? findLeak(inspected, leaks);
      return reason === undefined ? [] : [[inspected.column.name, reason]];
    }),
  );
}

function findUseless({ column: { codes }, kind }: InspectedColumn): string | undefined {
  if (kind.is === 'constant') return 'constant';
  if (kind.is === 'key') return `a different value in each of ${count(codes.length)} rows`;
  if (kind.is === 'text') return 'free text; convert it to a vector or a list of words to use it';
  if (kind.is === 'python-list') return 'Python lists; write them as JSON, as in ["a", "b"], to use them';
  if (kind.is === 'day') return 'days do not recur; use it to split rows';
  return undefined;
}

function findOutcome(inspected: InspectedColumn, labels: ReadonlyMap<string, Marks>): string | undefined {
  const marks = markEvents(inspected);
  const parent = [...labels].findLast(([, positives]) => requires(marks, positives))?.[0];
  if (parent === undefined) return undefined;
  const hint = inspected.kind.is === 'truth' ? `; --label ${inspected.column.name} predicts it` : '';
  return `missing or 0 unless ${parent} is positive, so recorded after it${hint}`;
}

function findLeak({ column, kind, different }: InspectedColumn, leaks: readonly Leak[]): string | undefined {
  const leak = leaks.filter((each) => each.column === column.name).sort((a, b) => b.auc - a.auc)[0];
  if (leak === undefined) return undefined;
  const isLeak =
    DURATIONS.test(column.name) ||
    leak.auc >= LEAK_AUC_OF_NUMBERS ||
    (leak.auc >= LEAK_AUC && !(kind.is === 'number' && different > MANY_VALUES));
  return isLeak
    ? `alone predicts ${leak.label} with an AUC of ${leak.auc.toFixed(4)}; probably recorded after the label`
    : undefined;
}
