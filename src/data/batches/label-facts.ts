import { column, type Batch } from '../../core/batch.js';
import { userError } from '../../core/errors.js';
import { buildScale, scaleSteps, startScalingFit } from '../../core/scaling.js';
import {
  findChain,
  normalizeGiven,
  taskColumns,
  type LabelFacts,
  type LabelSums,
  type Task,
} from '../../core/tasks.js';
import type { LabeledRows } from './dataset.js';

/** By task: fitted statistics of its label scaling. */
type LearnedScales = Record<string, unknown>;

/**
 * Computes the label statistics of the training set. Scales are fitted in one pass over the labels, if there are any.
 * @param learned scales that are already fitted; new ones are added
 * @throws UserError (data) if a scaled label is undefined in every row
 */
export async function labelFacts(
  dataset: LabeledRows,
  tasks: readonly Task[],
  learned: LearnedScales,
): Promise<LabelFacts> {
  const fits = tasks.flatMap((task) => {
    const fit = Object.hasOwn(learned, task.name) ? undefined : startScalingFit(task.scaling ?? 'none');
    return fit === undefined ? [] : [{ task, fit, numLabels: 0 }];
  });
  if (fits.length > 0)
    for await (const batch of dataset.labels())
      for (const each of fits) each.numLabels += visitLabels(batch, each.task, tasks, each.fit.observe);
  for (const { task, fit, numLabels } of fits) {
    if (numLabels === 0)
      throw userError('data', {
        key: `tasks.${task.name}.scaling`,
        message: 'the training set has no usable label for the task',
        fix: 'remove the task, or add labeled rows',
      });
    learned[task.name] = fit.finish();
  }
  const sums = await labelSums(dataset, tasks, ({ name, scaling }) =>
    scaling === undefined ? undefined : buildScale(scaling, learned[name]),
  );
  return { sums, scales: labelScales(tasks, learned) };
}

/** Returns the scaling steps of each task with a scaled label. */
export function labelScales(tasks: readonly Task[], learned: LearnedScales): LabelFacts['scales'] {
  return new Map(
    tasks.flatMap(({ name, scaling }) =>
      scaling === undefined ? [] : [[name, scaleSteps(scaling, learned[name])] as const],
    ),
  );
}

/**
 * Calls a function with the label of each row on which a task is defined.
 * @returns the number of rows with a defined task
 */
export function visitLabels(batch: Batch, task: Task, tasks: readonly Task[], visit: (label: number) => void): number {
  const { label, mask } = taskColumns(task, tasks);
  const values = column(batch, label, 'f32').data;
  const isDefined = mask === undefined ? undefined : column(batch, mask, 'f32').data;
  let count = 0;
  for (let row = 0; row < batch.rows; row++) {
    if (isDefined !== undefined && isDefined[row] !== 1) continue;
    visit(values[row]!);
    count++;
  }
  return count;
}

type Scale = (value: number) => number;

/**
 * Sums the label of each task over the rows on which it is defined, and over those on which its funnel is known. Labels
 * are read once, unless the counts of the shards suffice: for classes without row weights.
 * @param scaleOf returns the scaling of a label before it is summed
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

/** Returns the sums of a task from counts of positive rows; undefined if these do not suffice. */
function countedSums({ rows, labelCounts }: LabeledRows, task: Task, tasks: readonly Task[]): LabelSums | undefined {
  if (task.type === 'regression' || task.sampleWeight !== undefined) return undefined;
  // Without masked labels and violations, every positive row is a row on which the task is defined.
  if (
    normalizeGiven(task)?.violations === 'keep' ||
    (findChain(task, tasks) ?? [task]).some(({ onMissing }) => onMissing === 'mask')
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
  const sums = wanted.map((task) => ({
    ...taskColumns(task, tasks),
    name: task.name,
    scale: scaleOf(task),
    own: { weight: 0, sum: 0 },
    chain: { weight: 0, sum: 0 },
  }));
  for await (const batch of dataset.labels()) {
    for (const { label, mask, chainKnown, sampleWeight, scale, own, chain } of sums) {
      const values = column(batch, label, 'f32').data;
      const weights = sampleWeight === undefined ? undefined : column(batch, sampleWeight, 'f32').data;
      const add = (to: { weight: number; sum: number }, included: string | undefined): void => {
        const isIncluded = included === undefined ? undefined : column(batch, included, 'f32').data;
        for (let row = 0; row < batch.rows; row++) {
          if (isIncluded !== undefined && isIncluded[row] !== 1) continue;
          const weight = weights?.[row] ?? 1;
          to.weight += weight;
          to.sum += weight * (scale === undefined ? values[row]! : scale(values[row]!));
        }
      };
      add(own, mask);
      add(chain, chainKnown);
    }
  }
  return new Map(sums.map(({ name, own, chain }) => [name, { own, chain }]));
}
