import { column } from '../../batch.js';
import { taskColumns, type LabelBalance, type Task } from '../../tasks.js';
import type { LabelWatch } from './label-watch.js';

/** Counts the 0s and 1s of a label. Rows count as much as they weigh. A label without a 0 or without a 1 is as it is: 1. */
export function watchBalance(task: Task, tasks: readonly Task[]): LabelWatch<LabelBalance> {
  const { label, mask, chainKnown, sampleWeight } = taskColumns(task, tasks);
  const spaces = [mask, chainKnown].map((where) => ({ where, sums: [0, 0] as [number, number] }));
  const ratio = ([zeros, ones]: readonly [number, number]): number => (zeros > 0 && ones > 0 ? zeros / ones : 1);
  return {
    observe({ rows, labels }) {
      const values = column(labels, label);
      const weights = sampleWeight === undefined ? undefined : column(labels, sampleWeight);
      for (const { where, sums } of spaces) {
        const mask = where === undefined ? undefined : column(labels, where);
        for (let row = 0; row < rows; row++) if (mask === undefined || mask[row] === 1) sums[values[row] === 1 ? 1 : 0] += weights?.[row] ?? 1;
      }
    },
    finish: () => ({ own: ratio(spaces[0]!.sums), chain: ratio(spaces[1]!.sums) }),
  };
}
