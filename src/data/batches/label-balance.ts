import { column } from '../../batch.js';
import { taskColumns, type LabelBalance, type Task } from '../../tasks.js';
import type { Dataset } from './dataset.js';

/** Rows that are counted at a time. */
const COUNTED_ROWS = 1 << 14;

/**
 * Counts the labels of tasks whose positives are to be balanced, in one pass over the encoded rows; no pass where there are none.
 * Rows count as much as they weigh. A label without a 0 or without a 1 is as it is: 1.
 */
export async function labelBalance(dataset: Dataset, tasks: readonly Task[]): Promise<ReadonlyMap<string, LabelBalance>> {
  const balanced = tasks.filter(({ positiveWeight }) => positiveWeight === 'balanced').map((task) => {
    const { label, mask, chainKnown, sampleWeight } = taskColumns(task, tasks);
    return { name: task.name, label, sampleWeight, spaces: [mask, chainKnown].map((where) => ({ where, sums: [0, 0] as [number, number] })) };
  });
  if (balanced.length === 0) return new Map();
  for await (const { batch: { rows, labels } } of dataset.batches(COUNTED_ROWS)) {
    for (const { label, sampleWeight, spaces } of balanced) {
      const values = column(labels, label);
      const weights = sampleWeight === undefined ? undefined : column(labels, sampleWeight);
      for (const { where, sums } of spaces) {
        const mask = where === undefined ? undefined : column(labels, where);
        for (let row = 0; row < rows; row++) if (mask === undefined || mask[row] === 1) sums[values[row] === 1 ? 1 : 0] += weights?.[row] ?? 1;
      }
    }
  }
  const ratio = ([zeros, ones]: readonly [number, number]): number => (zeros > 0 && ones > 0 ? zeros / ones : 1);
  return new Map(balanced.map(({ name, spaces: [own, chain] }) => [name, { own: ratio(own!.sums), chain: ratio(chain!.sums) }]));
}
