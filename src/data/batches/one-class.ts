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
  if (rows === 0) return `task '${name}': no row of train has its label, so that nothing can be learned of it`;
  if (rate > 0 && rate < 1) return undefined;
  return `task '${name}': its label is ${rate === 0 ? 'a 1 in none' : 'a 1 in all'} of the rows of train, so that nothing can be learned of it; look at its label, and at what a condition compares with`;
}
