import { column } from '../../core/batch.js';
import { findChain, normalizeGiven, taskColumns, type LabelSum, type LabelSums, type Task } from '../../core/tasks.js';
import type { LabeledRows } from './dataset.js';

type Scale = (value: number) => number;

/**
 * Adds up the label of every task, where it is defined and where the end of its chain is known. What the writer of the
 * shards has
 * counted is enough for classes whose rows all weigh alike; else the label columns are read once, and nothing beside
 * them.
 * @param scaleOf how a label is scaled before it is added up
 */
export async function labelSums(
  dataset: LabeledRows,
  tasks: readonly Task[],
  scaleOf: (task: Task) => Scale | undefined = () => undefined,
): Promise<ReadonlyMap<string, LabelSums>> {
  const counted = new Map(tasks.map((task) => [task.name, countedSums(dataset, task, tasks)]));
  const toRead = tasks.filter(({ name }) => counted.get(name) === undefined);
  const read = toRead.length === 0 ? new Map<string, LabelSums>() : await readSums(dataset, toRead, tasks, scaleOf);
  return new Map(tasks.map(({ name }) => [name, counted.get(name) ?? read.get(name)!]));
}

/** The sums of a task as they follow from counts of 1s; undefined where they do not. */
function countedSums({ rows, labelCounts }: LabeledRows, task: Task, tasks: readonly Task[]): LabelSums | undefined {
  if (task.type === 'regression' || task.sampleWeight !== undefined) return undefined;
  // Where nothing is masked and violations are not kept, every 1 lies within what the task is given.
  if (
    normalizeGiven(task)?.violations === 'keep' ||
    (findChain(task, tasks) ?? [task]).some(({ onMissing: missing }) => missing === 'mask')
  )
    return undefined;
  const { label, mask } = taskColumns(task, tasks);
  const ones = labelCounts.get(label);
  const defined = mask === undefined ? rows : labelCounts.get(mask);
  return ones === undefined || defined === undefined
    ? undefined
    : { own: { weight: defined, sum: ones }, chain: { weight: rows, sum: ones } };
}

async function readSums(
  dataset: LabeledRows,
  wanted: readonly Task[],
  tasks: readonly Task[],
  scaleOf: (task: Task) => Scale | undefined,
): Promise<ReadonlyMap<string, LabelSums>> {
  const sums = wanted.map((task) => {
    const { label, mask, chainKnown, sampleWeight } = taskColumns(task, tasks);
    return {
      name: task.name,
      label,
      scale: scaleOf(task),
      sampleWeight,
      spaces: [mask, chainKnown].map((where) => ({ where, weight: 0, sum: 0 })),
    };
  });
  for await (const { rows, labels } of dataset.labels()) {
    for (const { label, scale, sampleWeight, spaces } of sums) {
      const values = column(labels, label);
      const weights = sampleWeight === undefined ? undefined : column(labels, sampleWeight);
      for (const space of spaces) {
        const mask = space.where === undefined ? undefined : column(labels, space.where);
        for (let row = 0; row < rows; row++) {
          if (mask !== undefined && mask[row] !== 1) continue;
          const weight = weights?.[row] ?? 1;
          space.weight += weight;
          space.sum += weight * (scale === undefined ? values[row]! : scale(values[row]!));
        }
      }
    }
  }
  const sumOf = (space: LabelSum | undefined): LabelSum => ({ weight: space!.weight, sum: space!.sum });
  return new Map(sums.map(({ name, spaces: [own, chain] }) => [name, { own: sumOf(own), chain: sumOf(chain) }]));
}
