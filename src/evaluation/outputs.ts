import { column } from '../core/batch.js';
import { findChain, taskColumns, type Task } from '../core/tasks.js';
import { applyCurve, type Calibrator } from './calibration/curve.js';
import type { Block } from './row-store.js';

/** A prediction with the rows and the label that it is measured on. */
export interface Output {
  readonly name: string;
  readonly type: Task['type'];
  readonly label: string;
  /** A label column: only rows where it is 1 count. */
  readonly where: string | undefined;
  /** Tasks whose predictions are multiplied. */
  readonly factors: readonly string[];
  /** What is told in the place of their product, where it is calibrated. */
  readonly calibrator?: Calibrator | undefined;
}

/**
 * What is measured for a list of tasks: each over its own rows and, for a task that is given another one's label, also
 * over
 * all rows (`cvr_all`) and as the probability of all that leads to it (`ctcvr`), since papers mix these up.
 */
export function listOutputs(tasks: readonly Task[]): readonly Output[] {
  return tasks.flatMap((task): Output[] => {
    const { name, type } = task;
    const { label, mask, known, chainKnown } = taskColumns(task, tasks);
    const own: Output = { name, type, label, where: mask, factors: [name] };
    if (task.given === undefined || type === 'regression') return [own];
    const everywhere: Output = { ...own, name: `${name}_all`, where: known };
    const chain = findChain(task, tasks);
    if (chain === undefined) return [own, everywhere];
    return [own, everywhere, { ...own, name: `ct${name}`, where: chainKnown, factors: chain.map((each) => each.name) }];
  });
}

/**
 * Of the spaces with the same predictions, which only count other rows, the first: what is told where nothing is
 * measured.
 */
export function listPredictedOutputs(spaces: readonly Output[]): readonly Output[] {
  return spaces.filter((space) => findPredictedOutput(space, spaces) === space);
}

/** The first of the spaces that have the predictions of one. */
export function findPredictedOutput(space: Output, spaces: readonly Output[]): Output {
  const keyOf = ({ factors }: Output): string => JSON.stringify(factors);
  return spaces.find((other) => keyOf(other) === keyOf(space))!;
}

/**
 * The predictions of a space for some rows: the product of its tasks', as its calibrator tells it.
 * @param predictions by task, of at least `rows` rows
 * @param into where they go
 */
export function combinePredictions(
  { factors, calibrator }: Output,
  predictions: Block['predictions'],
  rows: number,
  into = new Float32Array(rows),
): Float32Array {
  const [first, ...others] = factors.map((task) => column(predictions, task));
  into.set(first!.subarray(0, rows));
  for (const other of others) for (let row = 0; row < rows; row++) into[row]! *= other[row]!;
  if (calibrator !== undefined) applyCurve(calibrator.curve, into, rows);
  return into;
}
