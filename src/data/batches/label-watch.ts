import { column, type Batch } from '../../core/batch.js';
import { taskColumns, type Task } from '../../core/tasks.js';

/** Looks at the labels of train, in the order of rows, and makes something of them. */
export interface LabelWatch<Found> {
  observe(batch: Pick<Batch, 'rows' | 'labels'>): void;
  finish(): Found;
}

/** Rows that are looked at together. */
export const WATCHED_ROWS = 1 << 14;

/** Lets a function see each label that the loss of a task counts; finishes with how many there were. */
export function watchNumbers(task: Task, tasks: readonly Task[], see: (value: number) => void): LabelWatch<number> {
  const { label, mask } = taskColumns(task, tasks);
  let count = 0;
  return {
    observe({ rows, labels }) {
      const values = column(labels, label);
      const counted = mask === undefined ? undefined : column(labels, mask);
      for (let row = 0; row < rows; row++) {
        if (counted !== undefined && counted[row] !== 1) continue;
        see(values[row]!);
        count++;
      }
    },
    finish: () => count,
  };
}
