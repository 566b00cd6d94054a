import type { Dataset } from '../batches/dataset.js';
import type { EncodedFormat } from '../rows/row-format.js';
import { aucOfRates, LEAK_AUC } from './leak.js';
import { classifications, createFieldTallies, taskSums, type FieldTallies } from './split-counts.js';

/** Maximum number of rows of a split that are looked at: a field that gives a label away does so in few. */
const MAX_ROWS = 100_000;
const BATCH_ROWS = 4096;

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
  const [seen, unseen] = [await tallied(format, train), await tallied(format, other)];
  const fields = format.fields.filter(({ kind }) => kind === 'id' || kind === 'number');
  const leaks = fields.flatMap(({ name }) =>
    classifications(format).flatMap((task, t): LabelLeak[] => {
      const auc = aucOfRates(seen.get(name)!, unseen.get(name)!, taskSums(t));
      return auc !== undefined && auc >= LEAK_AUC ? [{ field: name, task: task.name, auc }] : [];
    }),
  );
  return leaks.sort((a, b) => b.auc - a.auc);
}

async function tallied(format: EncodedFormat, rows: Dataset): Promise<FieldTallies['tallies']> {
  const { tallies, add } = createFieldTallies(format);
  let left = MAX_ROWS;
  for await (const { batch } of rows.batches(BATCH_ROWS)) {
    add(batch);
    left -= batch.rows;
    if (left <= 0) break;
  }
  return tallies;
}
