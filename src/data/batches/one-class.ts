import type { LabelSums, Task } from '../../core/tasks.js';

/**
 * What to tell of classifications whose label is the same in all rows of train that count for them, a line each: a
 * condition that no cell meets, most often.
 */
export function oneClassNotices(sums: ReadonlyMap<string, LabelSums>, tasks: readonly Task[]): readonly string[] {
  return tasks
    .filter(({ type }) => type === 'classification')
    .flatMap(({ name }) => {
      const { weight, sum } = sums.get(name)!.own;
      const notice = oneClassNotice(name, weight, sum / weight);
      return notice === undefined ? [] : [notice];
    });
}

/**
 * The same of one task.
 * @param rows of train that count for it, or their weight
 * @param rate of 1s among them
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
