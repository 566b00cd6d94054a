import type { LabelSums, Task } from '../../core/tasks.js';
import type { Dataset } from './dataset.js';
import { visitLabels } from './label-facts.js';

/** Maximum number of rows that are read to estimate variances. */
const WIDE_LABEL_ROWS = 1 << 14;
/**
 * Variance above which a squared error dominates log losses, which are below 1: the variance of uniform labels in 0 to
 * 11.
 */
const MAX_VARIANCE = 10;

/** Returns a warning for each classification whose label has the same value in every row on which it is defined. */
export function oneClassNotices(sums: ReadonlyMap<string, LabelSums>, tasks: readonly Task[]): readonly string[] {
  return tasks
    .filter(({ type }) => type === 'classification')
    .flatMap(({ name }) => {
      const { weight, sum } = sums.get(name)!.own;
      return oneClassNotice(name, weight, sum / weight) ?? [];
    });
}

/**
 * Returns the warning for a task whose label has the same value in every row.
 * @param rows number of training rows on which the task is defined, or their total weight
 * @param rate positive label rate
 */
export function oneClassNotice(name: string, rows: number, rate: number): string | undefined {
  if (rows === 0)
    return (
      `task '${name}': no row of the training set has its label, so the task cannot be learned; remove the task, ` +
      'or add labeled rows'
    );
  if (rate > 0 && rate < 1) return undefined;
  return (
    `task '${name}': its label is ${rate === 0 ? '0' : '1'} in every row of the training set, so the task cannot ` +
    'be learned; check the label column and its condition'
  );
}

/** Returns a warning for each unscaled regression label with a large variance in the first rows of the training set. */
export async function wideLabelNotices(dataset: Dataset, tasks: readonly Task[]): Promise<readonly string[]> {
  const unscaled = tasks.filter(
    ({ type, scaling, labelRange }) => type === 'regression' && scaling === undefined && labelRange === undefined,
  );
  if (unscaled.length === 0) return [];
  const notices: string[] = [];
  for await (const { batch } of dataset.batches(WIDE_LABEL_ROWS)) {
    for (const task of unscaled) {
      let [sum, sumOfSquares] = [0, 0];
      const rows = visitLabels(batch, task, tasks, (label) => {
        sum += label;
        sumOfSquares += label * label;
      });
      const mean = sum / rows;
      const deviation = Math.sqrt(sumOfSquares / rows - mean * mean);
      if (deviation ** 2 > MAX_VARIANCE)
        notices.push(
          `task '${task.name}': labels have a standard deviation of ${deviation.toPrecision(3)} in the first ${rows} ` +
            'rows of the training set, so its loss dominates the other tasks; set scaling: standard for the task, or ' +
            `scaling: [log1p, standard] for amounts with a long tail (predictions keep the label's units)`,
        );
    }
    break;
  }
  return notices;
}
