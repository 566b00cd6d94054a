import { listStorage } from '../../features/kinds/kinds.js';
import type { Dataset } from '../batches/dataset.js';
import type { EncodedFormat } from '../rows/row-format.js';
import { classifications, FieldTallies } from './split-counts.js';
import type { Tally } from './tally.js';

/** Minimum AUC of a field alone that suggests that it leaks the label. */
export const LEAK_AUC = 0.98;
/** Number of rows with the mean rate that are added to each value. */
const PRIOR_ROWS = 10;
/** Maximum number of rows of a split that are searched for leaks. */
const MAX_ROWS = 100_000;
const BATCH_ROWS = 4096;

/**
 * Computes how well a field alone predicts a label: the AUC of the label rate of each value on training rows, smoothed
 * towards the mean rate, measured on other rows. Ties count half.
 * @param task index of the label, whose rows and positives are sums `2 * task` and `2 * task + 1`
 * @returns undefined if the other rows have a single class
 */
export function computeRateAuc(train: Tally, other: Tally, task = 0): number | undefined {
  const [rows, positives] = [2 * task, 2 * task + 1];
  const [allRows, allPositives] = train.keys.reduce(
    ([r, p], key) => [r + train.sum(key, rows), p + train.sum(key, positives)],
    [0, 0],
  );
  if (allRows === 0) return undefined;
  const rate = allPositives / allRows;
  const classes = new Map<number, [ones: number, zeros: number]>();
  for (const key of other.keys) {
    const score = (train.sum(key, positives) + PRIOR_ROWS * rate) / (train.sum(key, rows) + PRIOR_ROWS);
    const [ones, zeros] = classes.get(score) ?? [0, 0];
    const own = other.sum(key, positives);
    classes.set(score, [ones + own, zeros + other.sum(key, rows) - own]);
  }
  let [numOnes, below, pairs] = [0, 0, 0];
  for (const [, [ones, zeros]] of [...classes].sort(([a], [b]) => a - b)) {
    pairs += ones * (below + zeros / 2);
    below += zeros;
    numOnes += ones;
  }
  return numOnes === 0 || below === 0 ? undefined : pairs / (numOnes * below);
}

/** A field that alone predicts the label of a task. */
export interface LabelLeak {
  readonly field: string;
  readonly task: string;
  readonly auc: number;
}

/**
 * Finds the fields, bags and vectors excluded, whose values on the training set alone predict a label on other rows.
 * @returns the largest AUC first
 */
export async function findLabelLeaks(
  format: EncodedFormat,
  train: Dataset,
  other: Dataset,
): Promise<readonly LabelLeak[]> {
  const [seen, unseen] = [await tallyRows(format, train), await tallyRows(format, other)];
  const fields = format.fields.filter((field) => listStorage(field) === undefined);
  const leaks = fields.flatMap(({ name }) =>
    classifications(format).flatMap((task, t): LabelLeak[] => {
      const auc = computeRateAuc(seen.get(name)!, unseen.get(name)!, t);
      return auc !== undefined && auc >= LEAK_AUC ? [{ field: name, task: task.name, auc }] : [];
    }),
  );
  return leaks.sort((a, b) => b.auc - a.auc);
}

async function tallyRows(format: EncodedFormat, rows: Dataset): Promise<FieldTallies['byField']> {
  const tallies = new FieldTallies(format);
  let remaining = MAX_ROWS;
  for await (const { batch } of rows.batches(BATCH_ROWS)) {
    tallies.add(batch);
    remaining -= batch.rows;
    if (remaining <= 0) break;
  }
  return tallies.byField;
}
